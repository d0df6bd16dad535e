// Each attack is a function of a port that goes on until `isOver()`, and answers what it spent.
import { calls } from "./calls.mjs";
import { codecBombs } from "./codecs.mjs";
import { frames } from "./frames.mjs";
import { memory } from "./memory.mjs";
import { sessions } from "./sessions.mjs";
import { upgrades } from "./upgrades.mjs";
import { values } from "./values.mjs";

/** @type {Readonly<Record<string, (port: number, isOver: () => boolean, spent: { bytes: number, connections: number }) => Promise<void>>>} */
export const attacks = { ...memory, ...sessions, ...frames, ...values, ...codecBombs, ...upgrades, ...calls };
