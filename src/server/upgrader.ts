import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { TRY_AGAIN_LATER } from "../base/close-codes.ts";
import { type SelectedProtocol, selectProtocol } from "../resume/protocol/subprotocol.ts";
import type { Admission, Slot } from "./admission.ts";
import type { HandlerOptions } from "./handler-options.ts";
import { allowsOrigin } from "./origin.ts";
import { rejectUpgrade } from "./reject-upgrade.ts";

/** The options of a handler that concern upgrades, resolved. */
export interface UpgraderOptions extends Pick<HandlerOptions, "origins" | "protocols" | "resume" | "serverOptions"> {
  readonly admission: Admission | undefined;
  readonly maxPayloadBytes: number;
  readonly closeTimeoutMs: number;
}

/** The part of the handler that an Upgrader calls. */
export interface UpgraderOwner {
  /** Returns the client's identity. May throw what the user's function throws. */
  principalOf(request: IncomingMessage): string | undefined;
  /** Called with each connection that is accepted. */
  onAccepted(webSocket: WebSocket, url: string, request: IncomingMessage, principal: string | undefined): void;
  /** Called with what a function of the user throws. */
  onError(error: unknown): void;
}

/** Decides which upgrades are accepted, and answers the others with an HTTP status or a close code. */
export class Upgrader {
  readonly #options: UpgraderOptions;
  readonly #owner: UpgraderOwner;
  readonly #server: WebSocketServer;
  /** Whether new upgrades are refused with 503. */
  isShutDown = false;

  constructor(options: UpgraderOptions, owner: UpgraderOwner) {
    const { closeTimeoutMs, maxPayloadBytes, serverOptions } = options;
    this.#options = options;
    this.#owner = owner;
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
    });
  }

  /** Selects one of the subprotocols that the client offers (RFC 6455, section 11.3.4). */
  select({ headers }: IncomingMessage): SelectedProtocol {
    const { protocols = [], resume } = this.#options;
    const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    return selectProtocol(offered.filter(Boolean), protocols, resume !== undefined);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.isShutDown) return rejectUpgrade(socket, 503);
    const url = urlOf(request);
    if (!url) return rejectUpgrade(socket, 400);
    let principal: string | undefined;
    try {
      if (!allowsOrigin(request, this.#options.origins)) return rejectUpgrade(socket, 403);
      principal = this.#owner.principalOf(request);
    } catch (error) {
      rejectUpgrade(socket, 500);
      return this.#owner.onError(error);
    }
    const slot = this.#options.admission?.ask();
    if (slot && request.headers.origin === undefined) {
      return rejectUpgrade(socket, 503, { "Retry-After": String(Math.ceil(slot.maxMs / 1000)) });
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      if (slot) requestDelay(webSocket, slot);
      else this.#owner.onAccepted(webSocket, url, request, principal);
    });
  }
}

/** Requests a delay in a close reason, because a page can't read an HTTP status. A page is recognised by its `Origin`. */
function requestDelay(webSocket: WebSocket, { minMs, maxMs }: Slot): void {
  webSocket.on("error", () => {});
  webSocket.close(TRY_AGAIN_LATER, `retry=${minMs}-${maxMs}`);
}

/** Returns the URL that the client asked for, as far as its request says. `undefined` for a request without a valid one. */
export function urlOf({ headers, url }: IncomingMessage): string | undefined {
  const text = `ws://${headers.host}${url}`.replace(/#.*/s, "");
  return URL.canParse(text) ? text : undefined;
}
