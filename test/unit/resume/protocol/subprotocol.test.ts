import { expect, test } from "vitest";
import { selectProtocol, speaksResume, withResume } from "../../../../src/resume/protocol/subprotocol.ts";

test("the offer of resume comes last and names nothing of the application's", () => {
  expect(withResume([])).toEqual(["resume.v1"]);
  expect(withResume(["chat", "token.abc"])).toEqual(["chat", "token.abc", "resume.v1"]);
});

test("the offer grows by one name, however many protocols there are", () => {
  const token = `token.${"x".repeat(4_000)}`;
  expect(withResume(["chat", token]).join(", ").length).toBe(`chat, ${token}, resume.v1`.length);
});

test("a server that reads the first name with a prefix reads the token itself", () => {
  const read = (names: string[]) => names.find((name) => name.startsWith("token."));
  expect(read(withResume(["token.abc", "chat"]))).toBe("token.abc");
});

test("only the name of resume is resume", () => {
  expect(["resume.v1", "chat+resume.v1", "resume.v2", "", "chat"].map(speaksResume)).toEqual([
    true,
    false,
    false,
    false,
    false,
  ]);
});

test.each<[string[], string[], boolean, string | undefined, string, number]>([
  [["resume.v1"], [], true, "resume.v1", "", 0],
  [["resume.v1"], ["chat"], true, "resume.v1", "", 0],
  [["chat", "chit", "resume.v1"], ["chit", "chat"], true, "resume.v1", "chit", 2],
  [["chat", "resume.v1"], [], true, undefined, "", 0],
  [["other", "resume.v1"], ["chat"], true, undefined, "", 0],
  [["chat", "resume.v1"], ["chat"], false, "chat", "chat", 1],
  [["resume.v1"], [], false, undefined, "", 0],
  [["resume.v1", "chat"], ["chat"], true, "resume.v1", "chat", 1],
  [[], ["chat"], true, undefined, "", 0],
])(
  "of the offer %j a server of %j, with resume %s, selects %s for %j",
  (offered, spoken, resumes, name, protocol, app) => {
    expect(selectProtocol(new Set(offered), spoken, resumes)).toEqual({ name, protocol, app });
  },
);
