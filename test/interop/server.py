"""A JSON-RPC 2.0 server that knows nothing of tautline: Debian's python3-websockets, and JSON by hand."""
import asyncio
import json
import websockets


async def serve(socket):
    running, calls = {}, {}

    async def call(method, params):
        answer = asyncio.get_running_loop().create_future()
        calls[key := f"py-{len(calls)}"] = answer
        await socket.send(json.dumps({"jsonrpc": "2.0", "id": key, "method": method, "params": params}))
        return await answer

    async def ask(params):
        return await call("confirm", {"text": f"{params['what']}?"})

    async def slow(params):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await socket.send(json.dumps({"jsonrpc": "2.0", "method": "cancelled", "params": params}))
            raise

    async def total(params):
        return sum(params)

    methods = {"sum": total, "ask": ask, "slow": slow}

    async def run(message):
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            answer["result"] = await methods[message["method"]](message.get("params"))
        except KeyError:
            answer["error"] = {"code": -32601, "message": "Method not found"}
        except Exception as error:
            answer["error"] = {"code": 1, "message": type(error).__name__, "data": str(error)}
        running.pop(message["id"], None)
        await socket.send(json.dumps(answer))

    async for text in socket:
        message = json.loads(text)
        if message.get("method") == "$/cancelRequest":
            running.pop(message["params"]["id"]).cancel()
        elif "method" in message and "id" in message:
            running[message["id"]] = asyncio.create_task(run(message))
        elif message.get("method") == "bye":
            await socket.close()
        elif "id" in message:
            calls.pop(message["id"]).set_result(message.get("result"))


async def main():
    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
