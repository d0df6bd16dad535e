import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type VerifyClientCallbackAsync, type VerifyClientCallbackSync, type WebSocket, WebSocketServer } from "ws";
import { INTERNAL_ERROR, TRY_AGAIN_LATER } from "../base/close-codes.ts";
import { ConnError } from "../base/errors.ts";
import { type SelectedProtocol, selectProtocol } from "../resume/protocol/subprotocol.ts";
import type { SessionOptions } from "../resume/server/session-options.ts";
import type { Admission, Slot } from "./admission.ts";
import { type Authenticate, askForPrincipal, callPrincipal } from "./authenticate.ts";
import type { AllowOrigin } from "./origin.ts";
import { Refusal } from "./refusal.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";
import { ignoreErrors, releaseErrors } from "./socket-watch.ts";

/** The options of a handler that concern upgrades, resolved. */
export interface UpgraderOptions {
  readonly protocols: readonly string[];
  readonly hasSessions: boolean;
  readonly allowsOrigin: AllowOrigin;
  readonly admission: Admission | undefined;
  /** The function of `resume.principal`, where `authenticate` is not given. */
  readonly principal: SessionOptions["principal"];
  readonly authenticate: Authenticate | undefined;
  readonly authenticateTimeoutMs: number;
  readonly maxPayloadBytes: number;
  readonly closeTimeoutMs: number;
  readonly serverOptions: object;
}

/** The request and the stream of a connection that is accepted, and the client's identity. */
export interface AcceptedUpgrade {
  readonly url: string;
  readonly request: IncomingMessage;
  /** The stream that `ws` reads and writes. The application may have put it around the socket of the request. */
  readonly socket: Duplex;
  readonly principal: string | undefined;
}

/** The part of the handler that an Upgrader calls. */
export interface UpgraderOwner {
  /** Called with each connection that is accepted. */
  onAccepted(webSocket: WebSocket, upgrade: AcceptedUpgrade): void;
  /** Called with each slot that is given to a refused client. */
  onDelayed(slot: Slot): void;
  /** Called when an upgrade from a foreign origin was refused. */
  onRefused(error: ConnError, request: IncomingMessage): void;
  /** Called with what a function of the user throws. */
  onError(error: unknown): void;
}

type VerifyClient = VerifyClientCallbackAsync | VerifyClientCallbackSync;

/** An upgrade that is not answered yet. */
interface PendingUpgrade {
  readonly socket: Duplex;
  readonly request: IncomingMessage;
  /** Whether the client is a page: only browsers send an Origin, and a page can't read an HTTP status. */
  readonly isPage: boolean;
  /** The decision; undefined until it is made. */
  decision: { readonly principal: string | undefined } | Refusal | undefined;
  /** Makes `ws` complete the upgrade. */
  complete(): void;
}

/** The host and the port of a request (RFC 9110, section 7.2): a name, an IPv4 address, or an IPv6 address in brackets. */
const HOST = /^(?:\[[\da-f:.]+\]|[^\s/?#@\\:[\]]+)(?::\d+)?$/i;

/** The most characters of a foreign text that an error quotes. */
const MAX_QUOTED = 100;

/**
 * Decides which upgrades are accepted, and answers the others with an HTTP status or a close code. Each upgrade passes
 * `upgrade()`, the checks of `ws`, `#verify()` (the application's `verifyClient`), `#decide()` (origin, rate, identity) and
 * `#settle()`, which lets `ws` complete it. Then the callback of `upgrade()` hands the connection on, or closes it where a
 * page was refused.
 */
export class Upgrader {
  readonly #options: UpgraderOptions;
  readonly #owner: UpgraderOwner;
  readonly #server: WebSocketServer;
  readonly #pending = new WeakMap<IncomingMessage, PendingUpgrade>();
  readonly #shutdown = new AbortController();

  constructor(options: UpgraderOptions, owner: UpgraderOwner) {
    const { closeTimeoutMs, maxPayloadBytes, serverOptions } = options;
    this.#options = options;
    this.#owner = owner;
    const { verifyClient } = serverOptions as { readonly verifyClient?: VerifyClient };
    this.#server = new WebSocketServer({
      perMessageDeflate: false,
      // The types of ws do not have this option yet.
      ...{ closeTimeout: closeTimeoutMs },
      ...serverOptions,
      noServer: true,
      clientTracking: false,
      maxPayload: maxPayloadBytes,
      // NodeSocket checks the decoded text, which costs less.
      skipUTF8Validation: true,
      // The default of ws would select the first name offered, known or not.
      handleProtocols: (_offered, request) => this.select(request).name ?? false,
      // ws calls this once the request is known to be valid, so that invalid ones cost nothing more.
      verifyClient: (info, accept) => this.#verify(verifyClient, info, accept),
    });
  }

  /** Selects one of the subprotocols that the client offers (RFC 6455, section 11.3.4). */
  select({ headers }: IncomingMessage): SelectedProtocol {
    const { protocols, hasSessions } = this.#options;
    const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    return selectProtocol(offered.filter(Boolean), protocols, hasSessions);
  }

  /** Refuses new upgrades with 503, and those that are not answered yet. */
  shutDown(): void {
    this.#shutdown.abort(new ConnError("closed", "The handler is shut down."));
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    ignoreErrors(socket);
    if (this.#isShutDown) return rejectUpgrade(socket, 503);
    const url = urlOf(request);
    if (url === undefined) return rejectUpgrade(socket, 400);
    const isPage = request.headers.origin !== undefined;
    const pending: PendingUpgrade = { socket, request, isPage, decision: undefined, complete() {} };
    this.#pending.set(request, pending);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      // ws handles the errors of the socket from here on.
      releaseErrors(socket);
      const { decision } = pending;
      if (decision instanceof Refusal) closeAtOnce(webSocket, decision);
      else this.#owner.onAccepted(webSocket, { url, request, socket, principal: decision?.principal });
    });
  }

  get #isShutDown(): boolean {
    return this.#shutdown.signal.aborted;
  }

  /** Asks the application's own verifyClient first, where there is one. */
  #verify(
    verifyClient: VerifyClient | undefined,
    info: Parameters<VerifyClientCallbackSync>[0],
    accept: Parameters<VerifyClientCallbackAsync>[1],
  ): void {
    const pending = this.#pending.get(info.req) as PendingUpgrade;
    pending.complete = () => accept(true);
    const proceed: typeof accept = (isVerified, ...response) => {
      if (isVerified) this.#decide(pending);
      else accept(false, ...response);
    };
    try {
      if (verifyClient?.length === 2) (verifyClient as VerifyClientCallbackAsync)(info, proceed);
      else proceed(verifyClient === undefined || (verifyClient as VerifyClientCallbackSync)(info));
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  /** Decides on a valid upgrade: first by its origin, then by the rate, last by the client's identity. */
  #decide(pending: PendingUpgrade): void {
    const { request, socket } = pending;
    const { allowsOrigin, admission, principal, authenticate, authenticateTimeoutMs: timeoutMs } = this.#options;
    const { origin } = request.headers;
    if (this.#isShutDown) return rejectUpgrade(socket, 503);
    try {
      if (origin !== undefined && !allowsOrigin(origin, request)) return this.#refuseOrigin(pending, origin);
    } catch (error) {
      // With an HTTP status and not with a close code, because a foreign page must not be connected.
      rejectUpgrade(socket, 500);
      return this.#owner.onError(error);
    }
    try {
      const slot = admission?.ask();
      if (slot) return this.#delay(pending, slot);
      if (!authenticate) {
        return this.#settle(pending, { principal: principal && callPrincipal(principal, request) });
      }
      askForPrincipal(authenticate, request, socket, { timeoutMs, signal: this.#shutdown.signal }).then(
        (answer) => this.#settle(pending, answer instanceof Refusal ? answer : { principal: answer }),
        (error) => this.#fail(pending, error),
      );
    } catch (error) {
      this.#fail(pending, error);
    }
  }

  #refuseOrigin({ socket, request }: PendingUpgrade, origin: string): void {
    rejectUpgrade(socket, 403);
    const name = JSON.stringify(origin.slice(0, MAX_QUOTED));
    const message = `The origin ${name} may not connect: add it to the option origins if its pages are yours.`;
    this.#owner.onRefused(new ConnError("refused", message, { status: 403 }), request);
  }

  #delay(pending: PendingUpgrade, slot: Slot): void {
    this.#owner.onDelayed(slot);
    const { minMs, maxMs } = slot;
    const headers = { "Retry-After": String(Math.ceil(maxMs / 1000)) };
    this.#settle(pending, new Refusal(503, { code: TRY_AGAIN_LATER, reason: `retry=${minMs}-${maxMs}`, headers }));
  }

  /** Answers an upgrade. A refused page is connected and closed, because it can read a close code only. */
  #settle(pending: PendingUpgrade, decision: NonNullable<PendingUpgrade["decision"]>): void {
    const { socket, isPage } = pending;
    if (this.#isShutDown) return rejectUpgrade(socket, 503);
    if (decision instanceof Refusal && !isPage) return rejectUpgrade(socket, decision.status, decision.headers);
    pending.decision = decision;
    try {
      pending.complete();
    } catch (error) {
      // ws refuses a socket that another server has taken, which is a mistake of the application.
      this.#owner.onError(error);
    }
  }

  /** Refuses an upgrade because a function of the user failed, took too long, or was interrupted. */
  #fail(pending: PendingUpgrade, error: unknown): void {
    const { socket } = pending;
    if (error === this.#shutdown.signal.reason) return rejectUpgrade(socket, 503);
    // The client has left, which is no fault of the function.
    if (!socket.readable) return void socket.destroy();
    const isLate = error instanceof ConnError && error.code === "timeout";
    this.#settle(pending, isLate ? new Refusal(503, {}) : new Refusal(500, { code: INTERNAL_ERROR }));
    this.#owner.onError(error);
  }
}

/** Closes a connection before anything of it is read. */
function closeAtOnce(webSocket: WebSocket, { code, reason }: Refusal): void {
  webSocket.on("error", () => {});
  webSocket.close(code, reason);
}

/** Returns the URL that the client asked for, as far as its request says. `undefined` for a request without a valid one. */
export function urlOf({ headers: { host = "" }, url }: IncomingMessage): string | undefined {
  const text = `ws://${host}${url}`.replace(/#.*/s, "");
  return HOST.test(host) && URL.canParse(text) ? text : undefined;
}
