"""A JSON-RPC 2.0 client that knows nothing of tautline: prints what it got as one line of JSON."""
import asyncio
import json
import sys
import websockets


async def main(url):
    async with websockets.connect(url) as socket:

        async def send(frame):
            await socket.send(json.dumps(frame))

        async def receive():
            return json.loads(await socket.recv())

        seen = {}
        await send({"jsonrpc": "2.0", "id": "s", "method": "sum", "params": [1, 2, 3]})
        seen["sum"] = await receive()
        await send({"jsonrpc": "2.0", "id": 2.5, "method": "missing"})
        seen["missing"] = await receive()
        await send({"jsonrpc": "2.0", "id": 3, "method": "fail"})
        seen["fail"] = await receive()
        await send({"jsonrpc": "2.0", "id": {}, "method": "sum"})
        seen["invalid"] = await receive()
        await send([
            {"jsonrpc": "2.0", "id": 1, "method": "sum", "params": [4]},
            {"jsonrpc": "2.0", "method": "note", "params": {"text": "in a batch"}},
            {"jsonrpc": "2.0", "id": 2, "method": "sum", "params": [5]},
        ])
        seen["batch"] = await receive()
        await send({"jsonrpc": "2.0", "id": 7, "method": "slow"})
        await send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": 7}})
        seen["cancelled"] = await receive()
        await send({"jsonrpc": "2.0", "id": 8, "method": "ask", "params": {"what": "sure"}})
        seen["question"] = question = await receive()
        await send({"jsonrpc": "2.0", "id": question["id"], "result": True})
        seen["asked"] = await receive()
        print(json.dumps(seen), flush=True)

asyncio.run(main(sys.argv[1]))
