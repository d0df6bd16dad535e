import { ConnError } from "../../src/base/errors.ts";
import {
  type Effect,
  type MachineEvent,
  type State,
  type StateName,
  transition,
  type WaitReason,
} from "../../src/core/state-machine.ts";

const TOO_SOON_MS = 100;
const frame = { code: 1000, reason: "" };
const error = new ConnError("closed");
const info = { code: 1006, reason: "", clean: false, wasOpen: true, willRetry: true };
const REASONS: Readonly<Record<WaitReason, true>> = {
  backoff: true,
  offline: true,
  server: true,
  suspended: true,
  peer: true,
};
const reasons = Object.keys(REASONS) as WaitReason[];

type Labelled = Readonly<Record<string, readonly (MachineEvent & { readonly floorMs?: number })[]>>;

/** Every input, by its name in the diagram. A missing type does not compile. */
const INPUTS: { readonly [type in MachineEvent["type"]]: Labelled } = {
  connect: { connect: [{ type: "connect" }], "connect too soon": [{ type: "connect", floorMs: TOO_SOON_MS }] },
  reconnect: {
    reconnect: [{ type: "reconnect" }],
    "reconnect too soon": [{ type: "reconnect", floorMs: TOO_SOON_MS }],
  },
  ready: { ready: [{ type: "ready" }] },
  stable: { stable: [{ type: "stable" }] },
  flushed: { flushed: [{ type: "flushed" }] },
  timedOut: { timedOut: [{ type: "timedOut" }] },
  delayElapsed: { delayElapsed: [{ type: "delayElapsed" }] },
  moveRequested: {
    moveRequested: [{ type: "moveRequested" }],
    "moveRequested too soon": [{ type: "moveRequested", floorMs: TOO_SOON_MS }],
  },
  disconnected: {
    "disconnected, to be retried": reasons.map((reason) => ({
      type: "disconnected",
      info,
      plan: { retry: true, delayMs: 1_000, reason },
    })),
    "disconnected, final": [{ type: "disconnected", info, plan: { retry: false, by: "policy", error } }],
  },
  close: { close: [{ type: "close", frame }] },
  suspended: { suspended: [{ type: "suspended" }] },
  restored: {
    restored: [{ type: "restored" }],
    "restored too soon": [{ type: "restored", floorMs: TOO_SOON_MS }],
  },
  unloaded: { unloaded: [{ type: "unloaded" }] },
  wakeUp: {
    wakeUp: [{ type: "wakeUp" }],
    "wakeUp too soon": [{ type: "wakeUp", floorMs: TOO_SOON_MS }],
  },
  aborted: { aborted: [{ type: "aborted", error }] },
};

const inputs = Object.values(INPUTS).flatMap((labelled) => Object.entries(labelled));

/** Where an input leads from one state to another, or does something in passing. */
interface Move {
  readonly from: State;
  readonly to: StateName;
  readonly label: string;
}

/** Returns the key that distinguishes states in the diagram. */
const keyOf = (state: State) =>
  "reason" in state ? `${state.name} ${state.reason} ${state.isShortest === true}` : state.name;

/** Finds every state that `transition` leads to from `idle`, one for each key, and every move between them. */
function explore(): { readonly states: readonly State[]; readonly moves: readonly Move[] } {
  const states = new Map<string, State>([["idle", { name: "idle" }]]);
  const moves: Move[] = [];
  for (const from of states.values()) {
    for (const [label, examples] of inputs) {
      for (const input of examples) {
        const [to, effect]: readonly [State, Effect?] = transition(from, input, input.floorMs);
        if (to === from && !effect) continue;
        if (!states.has(keyOf(to))) states.set(keyOf(to), to);
        moves.push({ from, to: to.name, label });
      }
    }
  }
  return { states: [...states.values()], moves };
}

/** Draws the life of a Conn as a state diagram in Mermaid: the result of `transition` for every input in every state. */
export function stateDiagram(): string {
  const { states, moves } = explore();
  const edges = new Map<string, Map<string, Set<string>>>();
  for (const { from, to, label } of moves) {
    const edge = `${from.name} --> ${to}`;
    const labels = edges.get(edge) ?? new Map<string, Set<string>>();
    edges.set(edge, labels);
    labels.set(label, (labels.get(label) ?? new Set()).add(keyOf(from)));
  }
  const lines = [...edges].map(([edge, labels]) => {
    const from = edge.split(" ")[0];
    const reasonsOf = (keys: Iterable<string>) => new Set([...keys].map((key) => key.split(" ")[1]));
    const all = reasonsOf(states.filter(({ name }) => name === from).map(keyOf)).size;
    const words = [...labels].map(([label, keys]) => {
      const some = reasonsOf(keys);
      return some.size === all ? label : `${label} (${[...some].join(", ")})`;
    });
    return `  ${edge}: ${words.join("<br>")}`;
  });
  return ["stateDiagram-v2", "  [*] --> idle", ...lines, "  closed --> [*]"].join("\n");
}

const BLOCK = /(<!-- state diagram: npm run diagram writes it -->\n```mermaid\n)[\s\S]*?(\n```)/;

/** Returns the page with the present diagram. */
export function withDiagram(page: string): string {
  if (!BLOCK.test(page)) throw new Error("The page has no place for the state diagram.");
  return page.replace(BLOCK, (_all, before: string, after: string) => before + stateDiagram() + after);
}
