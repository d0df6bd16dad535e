import { StrictMode } from "react";
import { act, create, type ReactTestRenderer } from "react-test-renderer";
import { Conn, json } from "tautline";
import { useConn, useMessage, useStatus, useStore } from "tautline/react";
import { store } from "tautline/store";

/** A WebSocket like React Native's, whose events are plain objects. */
class NativeWebSocket {
  static last: NativeWebSocket | undefined;
  readyState = 0;
  bufferedAmount = 0;
  protocol = "";
  binaryType = "blob";
  onopen?: (event: object) => void;
  onmessage?: (event: object) => void;
  onclose?: (event: object) => void;

  constructor() {
    NativeWebSocket.last = this;
  }

  send(): void {}

  close(code: number): void {
    this.readyState = 3;
    queueMicrotask(() => this.onclose?.({ code, reason: null }));
  }
}
Object.assign(globalThis, { WebSocket: NativeWebSocket, IS_REACT_ACT_ENVIRONMENT: true });

class Room {
  readonly conn = new Conn("wss://example.com/", { codec: json<number, string>() });
  readonly sum = store(this.conn, 0, (sum, price) => sum + price, { every: "frame" });
  close = () => this.conn.close();
}
const seen: number[] = [];
const none = store({ on: () => () => {} }, 0, (sum) => sum);

function Prices() {
  const room = useConn("room", () => new Room());
  useMessage(room?.conn, (price) => seen.push(price));
  return `${useStore(room?.sum ?? none)} ${useStatus(room?.conn).state}`;
}

const wait = (ms: number) => act(() => new Promise<void>((resolve) => setTimeout(resolve, ms)));

/** Returns the texts of the screen, step by step. */
export async function run(): Promise<unknown> {
  let root: ReactTestRenderer | undefined;
  await act(async () => {
    root = create(
      <StrictMode>
        <Prices />
      </StrictMode>,
    );
  });
  const shown: unknown[] = [root?.toJSON()];
  const socket = NativeWebSocket.last as NativeWebSocket;
  await act(async () => {
    socket.readyState = 1;
    socket.onopen?.({ type: "open" });
    for (const data of ["1", "2"]) socket.onmessage?.({ data });
  });
  await wait(50);
  shown.push(root?.toJSON());
  await act(async () => {
    socket.readyState = 3;
    socket.onclose?.({ code: 1006, reason: null });
  });
  shown.push(root?.toJSON());
  await act(async () => root?.unmount());
  await wait(1_100);
  return { shown, seen };
}
