/** The subprotocol by which resume is offered; after a `+` where the application has a protocol of its own. */
const SUBPROTOCOL = "resume.v1";
const SUFFIX = `+${SUBPROTOCOL}`;

/** What to offer, best first, given the application's own protocols. */
export function withResume(protocols: readonly string[]): string[] {
  return protocols.length === 0 ? [SUBPROTOCOL] : [...protocols.map((name) => name + SUFFIX), ...protocols];
}

/** Whether this is the name of resume, alone or with an application's protocol. */
export function speaksResume(protocol: string): boolean {
  return protocol === SUBPROTOCOL || protocol.endsWith(SUFFIX);
}

/** The application's part of the name. */
export function withoutResume(protocol: string): string {
  return speaksResume(protocol) ? protocol.slice(0, -SUFFIX.length) : protocol;
}
