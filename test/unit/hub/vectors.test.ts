import { expect, test } from "vitest";
import vectors from "../../../docs/internals/channels-vectors.json" with { type: "json" };
import { isAttached, isMembers, isMessage, isRefused } from "../../../src/channels/protocol/server-frames.ts";
import { advance, useFakeTime } from "../../support/fake-time.ts";
import type { HubClient } from "../../support/hub-client.ts";
import { createHub, HISTORY, settle } from "../../support/hub-rig.ts";

// The test vectors of docs/internals/channels-protocol.md, which other implementations can run too.

useFakeTime();

interface Frame {
  readonly method?: string;
  readonly params?: unknown;
}
type Step =
  | { readonly receives: Frame }
  | { readonly sends: readonly Frame[] }
  | { readonly publishes: readonly [channel: string, data: unknown] }
  | { readonly revokes: string }
  | { readonly joins: readonly [channel: string, client: string, info: unknown] }
  | { readonly leaves: readonly [channel: string, client: string] }
  | { readonly waitsMs: number };

const createVectorHub = () =>
  createHub({
    channels: { "chat:*": { history: HISTORY }, "game:*": {}, "room:*": { presence: true } },
    authorize: ({ channel }) => channel !== "chat:secret",
  });

/** Frames of one channel keep their order, those of others may come between. */
const byChannel = (frames: readonly Frame[]): Readonly<Record<string, readonly Frame[]>> => {
  const groups: Record<string, Frame[]> = {};
  for (const frame of frames) {
    const key = frame.method ? String((frame.params as unknown[])[0]) : "answers";
    groups[key] = [...(groups[key] ?? []), frame];
  }
  return groups;
};

/** The positions that a dialogue names, by what the server calls them. */
class Positions {
  readonly #names = new Map<string, string>();

  /** Puts the server's positions into a frame of the vectors. */
  resolve<T>(value: T): T {
    let text = JSON.stringify(value);
    for (const [name, position] of this.#names) text = text.replaceAll(`"${name}"`, `"${position}"`);
    return JSON.parse(text);
  }

  /** Names the positions of the server's frames as the vectors do: by their counters. */
  name(frames: readonly Frame[]): Frame[] {
    const text = JSON.stringify(frames).replace(/"([0-9a-z]+)-[0-9a-z]+"/g, (quoted, counter) => {
      this.#names.set(`@${Number.parseInt(counter, 36)}`, quoted.slice(1, -1));
      return `"@${Number.parseInt(counter, 36)}"`;
    });
    return JSON.parse(text);
  }
}

test.each(vectors.server.dialogues)("server: $name", async ({ steps }) => {
  const { topics, client } = createVectorHub();
  const ann = client({ id: "ann", info: { name: "Ann" } });
  const others = new Map<string, HubClient>();
  const positions = new Positions();
  for (const step of steps as Step[]) {
    if ("receives" in step) ann.deliver(positions.resolve(step.receives));
    else if ("publishes" in step) await topics.publish(...step.publishes);
    else if ("revokes" in step) await topics.revoke({ client: "ann", channel: step.revokes });
    else if ("joins" in step) {
      const [channel, id, info] = step.joins;
      others.set(id, client({ id, info }));
      others.get(id)?.subscribe({ [channel]: { presence: true } });
    } else if ("leaves" in step) others.get(step.leaves[1])?.unsubscribe(step.leaves[0]);
    else if ("waitsMs" in step) await advance(step.waitsMs);
    await settle();
    if ("sends" in step) expect(byChannel(positions.name(ann.frames.splice(0)))).toEqual(byChannel(step.sends));
  }
  expect(ann.frames).toEqual([]);
});

const CHECKS: Readonly<Record<string, (params: unknown) => boolean>> = {
  "$/attached": isAttached,
  "$/refused": isRefused,
  "$/message": isMessage,
  "$/members": isMembers,
};

test("client: frames that are accepted, and those that are ignored", () => {
  const judge = ({ method, params }: Frame) => CHECKS[method as string]?.(params);
  expect(vectors.client.accepts.map(judge)).toEqual(vectors.client.accepts.map(() => true));
  expect(vectors.client.ignores.map(judge)).toEqual(vectors.client.ignores.map(() => false));
});
