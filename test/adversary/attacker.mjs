// One attack in a process of its own, so that its memory and its CPU are not the server's: attacker.mjs PORT MS NAME
import { attacks } from "./attacks/index.mjs";

const [port, ms, name] = process.argv.slice(2);
const end = performance.now() + Number(ms);
const spent = { bytes: 0, connections: 0 };
const attack = attacks[name];
if (!attack) throw new Error(`There is no attack ${name}.`);
// A connection that the server leaves hanging must not hang the attack.
const limit = setTimeout(() => finish(), Number(ms) + 2_000);

function finish() {
  clearTimeout(limit);
  const { user, system } = process.cpuUsage();
  process.send({ ...spent, cpuMs: (user + system) / 1_000 }, () => process.exit(0));
}

await attack(Number(port), () => performance.now() > end, spent);
finish();
