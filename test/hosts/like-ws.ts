/** A WebSocket as far as it is listened to here. */
interface Socket {
  readonly readyState: number;
  binaryType: BinaryType;
  send(data: string | ArrayBufferView<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: Event) => void, options?: { readonly once?: boolean }): void;
}

type Listener = (data?: unknown, isBinary?: boolean) => void;

/** A socket in the form of ws, for servers that take no other: the members that Yjs and tRPC use. */
export function likeWs(socket: Socket) {
  socket.binaryType = "arraybuffer";
  const pongs: Listener[] = [];
  const listen = (type: string, listener: Listener, options = {}) => {
    if (type === "pong") pongs.push(listener);
    else if (type !== "message") socket.addEventListener(type, () => listener(), options);
    else
      socket.addEventListener(type, (event) => {
        const { data } = event as MessageEvent<string | ArrayBuffer>;
        // Text too is a Buffer there.
        listener(Buffer.from(data as string), typeof data !== "string");
      });
  };
  return {
    binaryType: "arraybuffer",
    get readyState() {
      return socket.readyState;
    },
    on: listen,
    once: (type: string, listener: Listener) => listen(type, listener, { once: true }),
    send(data: string | Uint8Array<ArrayBuffer>, _options?: unknown, done?: () => void) {
      socket.send(data);
      done?.();
    },
    // The Conn has a heartbeat of its own.
    ping() {
      for (const pong of pongs) queueMicrotask(pong);
    },
    close: (code?: number, reason?: string) => socket.close(code, reason),
    terminate: () => socket.close(),
  };
}
