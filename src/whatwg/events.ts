/** The classes of events that a WebSocket dispatches, by their names in DOM and HTML. */
export type EventKind = "Event" | "MessageEvent" | "CloseEvent";

/** An event of a WebSocket: the members of DOM's Event (DOM, section 2.2), and those of its kind. */
export interface SocketEvent {
  /** The name of the event, such as `"open"`. */
  readonly type: string;
  /** The socket that dispatches the event. */
  readonly target: object;
  /** The socket while listeners are called, otherwise null. */
  currentTarget: object | null;
  /** 2 (at the target) while listeners are called, otherwise 0. */
  readonly eventPhase: number;
  /** Milliseconds of the clock of `performance`. */
  readonly timeStamp: number;
  /** Whether no further listener is to be called. */
  readonly isStopped: boolean;
  /** Calls no further listener. */
  stopImmediatePropagation(): void;
}

/** A message (HTML, section 9.1). */
export interface SocketMessageEvent extends SocketEvent {
  /** A string for text; an ArrayBuffer or a Blob for bytes, as `binaryType` says. */
  readonly data: string | ArrayBuffer | Blob;
  /** The origin of the socket's URL. */
  readonly origin: string;
}

/** The end of a connection (WebSockets, section 5). */
export interface SocketCloseEvent extends SocketEvent {
  /** The code of the peer's close frame, 1005 for a frame without one, 1006 where no close frame came. */
  readonly code: number;
  /** The reason of the peer's close frame, `""` for none. */
  readonly reason: string;
  /** Whether the closing handshake was completed. */
  readonly wasClean: boolean;
}

/** A failure. Browsers give no details; a fake or a Conn may give an `error`, as Node's own class does. */
export interface SocketErrorEvent extends SocketEvent {
  /** The cause, where it is known. */
  readonly error?: unknown;
  /** The message of the cause, where it is known. */
  readonly message?: string;
}

type EventConstructor = new (type: string, target: object, fields: object) => SocketEvent;

/** Made on first use, because the platform's classes may be installed late (jsdom, React Native). */
const classes: { [kind in EventKind]?: EventConstructor } = {};

/** Creates an event of the given kind. Its `fields` are read-only members beside those of every event. */
export function createEvent(kind: EventKind, type: string, target: object, fields: object = {}): SocketEvent {
  classes[kind] ??= inherit(defineEvent(), kind in globalThis ? kind : "Event");
  return new classes[kind](type, target, fields);
}

/**
 * Makes `instanceof` hold for the platform's class of this name, where there is one. Every member of the platform's
 * prototype is shadowed, because its getters and methods refuse objects that the platform did not make.
 */
export function inherit<Class extends { readonly prototype: object }>(Class: Class, name: string): Class {
  const platform: unknown = Reflect.get(globalThis, name);
  if (typeof platform !== "function" || !platform.prototype) return Class;
  const { prototype } = Class;
  const end = Object.getPrototypeOf(prototype);
  for (let above = platform.prototype; above !== null && above !== end; above = Object.getPrototypeOf(above)) {
    for (const key of Reflect.ownKeys(above)) {
      const { value } = Object.getOwnPropertyDescriptor(above, key) as PropertyDescriptor;
      const isHarmless = value !== undefined && typeof value !== "function";
      // Node's own inspection is among them, and would make console.log() throw.
      if (!isHarmless && !(key in prototype))
        Object.defineProperty(prototype, key, { value: undefined, writable: true });
    }
  }
  Object.setPrototypeOf(prototype, platform.prototype);
  return Class;
}

/** Creates a class of events. Each kind has one of its own, because a class has one prototype above it. */
function defineEvent(): EventConstructor {
  return class implements SocketEvent {
    readonly type: string;
    readonly target: object;
    currentTarget: object | null = null;
    readonly timeStamp = performance.now();
    isStopped = false;

    constructor(type: string, target: object, fields: object) {
      this.type = type;
      this.target = target;
      for (const [name, value] of Object.entries(fields)) {
        Object.defineProperty(this, name, { value, enumerable: true, configurable: true });
      }
    }

    get eventPhase(): number {
      return this.currentTarget ? 2 : 0;
    }
    get srcElement(): object {
      return this.target;
    }
    get bubbles(): boolean {
      return false;
    }
    get cancelable(): boolean {
      return false;
    }
    get composed(): boolean {
      return false;
    }
    get defaultPrevented(): boolean {
      return false;
    }
    get isTrusted(): boolean {
      return true;
    }
    get returnValue(): boolean {
      return true;
    }
    get cancelBubble(): boolean {
      return this.isStopped;
    }
    /** Returns the socket while its listeners are called, because the event goes nowhere else. */
    composedPath(): object[] {
      return this.currentTarget ? [this.currentTarget] : [];
    }
    /** Does nothing: no event of a WebSocket can be cancelled. */
    preventDefault(): void {}
    /** Does nothing: the event goes to one target only. */
    stopPropagation(): void {}
    stopImmediatePropagation(): void {
      this.isStopped = true;
    }
  };
}
