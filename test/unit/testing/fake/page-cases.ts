import { expect, test } from "vitest";
import { Conn, json } from "../../../../src/index.ts";
import { fakeServer } from "../../../../src/testing/fake/index.ts";
import { URL } from "./sockets.ts";

/** Tests the fake in a page of `name`, the environment in which the calling file runs. */
export function testPage(name: string): void {
  test(`a Conn and the page's own code run on the fake in ${name}`, async () => {
    const server = fakeServer<string>({ codec: json<string>() });
    const conn = new Conn<string>(URL, { WebSocket: server.WebSocket, codec: json<string>() });
    conn.send("hello");
    const connection = await server.next();
    expect(await connection.receive()).toBe("hello");
    connection.send("welcome");
    expect(await conn.receive()).toBe("welcome");
    await conn.close();

    const installation = server.install();
    const socket = new window.WebSocket(URL);
    socket.binaryType = "arraybuffer";
    const message = new Promise<MessageEvent>((resolve) => {
      socket.onmessage = resolve;
    });
    (await server.next()).send("for the page");
    const event = await message;
    expect(event.data).toBe('"for the page"');
    expect(event).toBeInstanceOf(window.MessageEvent);
    expect(event.target).toBe(socket);
    installation.uninstall();
    expect(window.WebSocket).not.toBe(server.WebSocket);
  });

  test(`bytes of the page's realm arrive as bytes in ${name}`, async () => {
    const server = fakeServer();
    const socket = new server.WebSocket(URL);
    await new Promise((resolve) => {
      socket.onopen = resolve;
    });
    socket.send(new window.Uint8Array([1, 2]));
    socket.send(new window.Blob([new Uint8Array([3])]));
    const connection = await server.next();
    expect([...((await connection.receive()) as Uint8Array)]).toEqual([1, 2]);
    expect([...((await connection.receive()) as Uint8Array)]).toEqual([3]);
  });
}
