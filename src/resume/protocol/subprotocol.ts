/** The subprotocol by which resume is offered, after the application's own. */
const SUBPROTOCOL = "resume.v1";

/** Which subprotocol a server selects. */
export interface SelectedProtocol {
  /** The name in the answer to the upgrade; `undefined` for none. */
  readonly name: string | undefined;
  /** The application's protocol, `""` for none. */
  readonly protocol: string;
  /** The place of the application's protocol in the offer, from 1; 0 for none. H carries it. */
  readonly app: number;
}

/**
 * Lists what to offer, given the application's own protocols. Resume comes last, so that a server which reads the first
 * name, or the first with some prefix, reads what it would read without resume.
 */
export function withResume(protocols: readonly string[]): string[] {
  return [...protocols, SUBPROTOCOL];
}

/** Whether `protocol` is the name of resume. */
export function speaksResume(protocol: string): boolean {
  return protocol === SUBPROTOCOL;
}

/**
 * Selects a subprotocol for a client that offers `offered`, best first in `spoken`. Resume is selected where it is offered
 * and `resumes`, unless the client offers protocols of its application and none of them is spoken.
 */
export function selectProtocol(
  offered: Iterable<string>,
  spoken: readonly string[],
  resumes: boolean,
): SelectedProtocol {
  const all = [...offered];
  const own = all.filter((name) => !speaksResume(name));
  const protocol = spoken.find((name) => own.includes(name));
  const isResumable = resumes && own.length < all.length && (protocol !== undefined || own.length === 0);
  return {
    name: isResumable ? SUBPROTOCOL : protocol,
    protocol: protocol ?? "",
    app: protocol === undefined ? 0 : own.indexOf(protocol) + 1,
  };
}
