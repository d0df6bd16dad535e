import { describe, expect, test } from "vitest";
import { hush, leave, resetUnderThrowingListeners, startScenario, talk } from "./fault-scenario.ts";

describe.concurrent("whatever the user's functions do", () => {
  test("a url that throws, hangs or is nonsense fails the attempt, and the next one is asked for", async (context) => {
    const all = await startScenario(context, { user: "unsure", options: { connectTimeoutMs: 2_000 } });
    const { away } = all;
    expect(await away.next("open")).toMatchObject({ attempt: 7 });
    const of = (name: string) => away.history.filter(({ event }) => event === name);
    const causes = ["provider", "provider", "timeout", "provider", "provider", "provider", "provider"];
    expect(of("disconnected")).toMatchObject(
      causes.map((code) => ({ code: 1006, clean: false, wasOpen: false, willRetry: true, cause: { code } })),
    );
    expect(of("error")).toMatchObject([
      { error: { code: "provider", message: "url failed: Error: no token" } },
      { error: { code: "provider" } },
      ...Array.from({ length: 4 }, () => ({ error: { code: "provider", cause: "bad-url" } })),
    ]);
    expect(of("user")).toContainEqual(expect.objectContaining({ aborted: 2 }));
    await talk(all);
    await hush(all);
    await leave(all);
  });

  test("protocols and headers that are nonsense fail the attempt, and the next ones are asked for", async (context) => {
    const all = await startScenario(context, { user: "confused" });
    const { away } = all;
    expect(await away.next("open")).toMatchObject({ attempt: 8 });
    const ends = away.history.filter(({ event }) => event === "disconnected");
    for (const each of ends) {
      expect(each).toMatchObject({ code: 1006, clean: false, wasOpen: false, willRetry: true });
      expect(each.cause).toMatchObject({ code: "provider", cause: "bad-option" });
    }
    const names = ends.map(({ cause }) => cause.message.split(" ")[0]);
    expect(names).toEqual([...Array(6).fill("protocols"), ...Array(2).fill("headers")]);
    await talk(all);
    await hush(all);
    await leave(all);
  });

  test("listeners that throw are reported, one by one, and disturb nobody", async (context) => {
    const all = await startScenario(context, { user: "clumsy" });
    await resetUnderThrowingListeners(all);
  });
});
