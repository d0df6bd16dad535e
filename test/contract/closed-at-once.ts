import type { ConnOptions, Payload } from "../../src/index.ts";
import { between, equal, matches } from "./assert.ts";
import { type Case, type CaseContext, each, next } from "./case-context.ts";

type Options = ConnOptions<Payload, string>;

/** Kinds of Conns whose server accepts the upgrade and closes at once, by the same read or the next. */
const KINDS: Readonly<Record<string, (context: CaseContext) => Options>> = {
  "no setup": () => ({}),
  "a setup that sends": () => ({ setup: ({ send }) => send("login") }),
  "a setup that sends after a turn": () => ({
    async setup({ send }) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      send("login");
    },
  }),
  "a setup that receives": () => ({ setup: async ({ receive }) => void (await receive()) }),
  "a setup that sends and receives": () => ({
    async setup({ send, receive }) {
      send("login");
      await receive();
    },
  }),
  "a setup that waits for something else": () => ({ setup: () => new Promise(() => {}) }),
  resume: (context) => ({ resume: context.env.resume() }),
  "resume and a setup that sends": (context) => ({
    resume: context.env.resume(),
    setup: ({ send }) => send("login"),
  }),
};

const CODES = [
  { code: 1012, reason: "restart" },
  { code: 1013, reason: "retry=5000-6000" },
  { code: 4401, reason: "token expired" },
  { code: 4404, reason: "no such room" },
] as const;

const rows = Object.entries(KINDS).flatMap(([kind, options]) => CODES.map((end) => ({ kind, options, ...end })));

const WITHOUT_PROTOCOL: readonly Case[] = each(
  CODES,
  ({ code }) => `closed with ${code} by a server that selects no protocol, reports that where the connection opens`,
  async (context, { code, reason }) => {
    const url = context.url("/close", { code, reason });
    const conn = context.conn<Payload, string>(url, { protocols: ["one", "two"] });
    const end = await next(conn, "disconnected");
    const { opensUnselected, hides } = context.env;
    if (!opensUnselected || hides?.includes(code)) return matches(end, { code: 1006, wasOpen: false, willRetry: true });
    matches(end, { code, reason, wasOpen: false, willRetry: code < 4000 });
  },
);

const AT_ONCE: readonly Case[] = each(
  rows,
  ({ kind, code }) => `closed with ${code} right after the upgrade, reports that, with ${kind}`,
  async (context, { options, code, reason }) => {
    const given = options(context);
    const conn = context.conn<Payload, string>(context.url("/close", { code, reason }), given);
    const end = await next(conn, "disconnected");
    if (context.env.hides?.includes(code)) return matches(end, { code: 1006, willRetry: true });
    const mayRenew = given.setup !== undefined;
    const clean = context.env.unclean && given.setup !== undefined ? end.clean : true;
    matches(end, { code, reason, clean, willRetry: code === 4401 ? mayRenew : code < 4000 });
    if (code === 1013) {
      equal(conn.waiting?.reason, "server");
      between(4_000, (conn.waiting?.retryAt ?? 0) - Date.now(), 6_000);
    }
    if (!end.willRetry) matches(await conn.closed, { code, reason, by: "policy" });
  },
);

/** An ending that comes right after the upgrade is the ending that is reported. */
export const closedAtOnce: readonly Case[] = [...AT_ONCE, ...WITHOUT_PROTOCOL];
