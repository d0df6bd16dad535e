import { describe, expect, test } from "vitest";
import { Conn } from "../../../../src/index.ts";
import { resume } from "../../../../src/resume/client/index.ts";
import { thrown } from "../../../support/conn.ts";

const construct = (given: unknown) =>
  thrown(() => new Conn("ws://x.test/", { autoConnect: false, resume: given as ReturnType<typeof resume> }));

describe("resume() refuses", () => {
  test.for([
    [{ windowByte: 5 }, "resume.windowByte is not an option: use windowBytes."],
    [{ windowBytes: 0 }, "resume.windowBytes must be a number, at least 1; got 0."],
    [{ windowBytes: Number.NaN }, "resume.windowBytes must be a number, at least 1; got NaN."],
    [{ ack: "taken" }, 'resume.ack must be received or consumed; got "taken".'],
  ] as const)("%j when a Conn is given it", ([options, message]) => {
    expect(construct(resume(options as never))).toMatchObject({ name: "ConnError", code: "bad-option", message });
  });

  test("to be given without a call", () => {
    expect(construct(resume)).toMatchObject({
      code: "bad-option",
      message: "resume must be resume() from tautline/resume; got a function.",
    });
  });
});
