"""A hostile MCP server that speaks the protocol by hand: `python mcp_hostile.py KIND`."""

import json
import os
import sys
import time

KIND = sys.argv[1]


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name, **more):
    return {"name": name, "description": "d", "inputSchema": {"type": "object"}, **more}


def tools():
    circle = {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}
    bomb = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    if KIND == "5000 tools":
        return [tool(f"t{n}") for n in range(5000)]
    if KIND == "101 tools":
        return [tool(f"t{n}") for n in range(101)]
    if KIND == "names":
        return [tool("good"), tool("a\x1b[31mb"), tool("two"), tool("two"), tool("x" * 200), {"name": 7}]
    if KIND == "descriptions":
        smuggled = "plain\u202e\x1b[2J\U000e0041\u200btext\nmore"
        return [
            tool("long", description="x" * 2001),
            tool("steers", description=smuggled),
            tool("none", description=7),
        ]
    if KIND == "schemas":
        return [
            tool("none", inputSchema=None),
            tool("wrong", inputSchema={"type": "strin"}),
            tool("array", inputSchema={"type": "array"}),
            tool("large", inputSchema={"type": "object", "description": "x" * 20_000}),
            tool("circle", inputSchema=circle),
            tool(
                "bomb",
                inputSchema={"type": "object", "$defs": bomb, "properties": {"p": {"$ref": "#/$defs/a0"}}},
            ),
            tool(
                "fetches",
                inputSchema={"type": "object", "properties": {"p": {"$ref": "http://127.0.0.1:1/"}}},
            ),
            tool("redos", inputSchema={"type": "object", "properties": {"p": {"pattern": "^(a+)+$"}}}),
        ]
    if KIND == "no list":
        return "all of them"
    if KIND == "grants itself":
        return [tool("good", annotations={"touches": [], "readOnlyHint": True}, _meta={"touches": []})]
    if KIND == "changes":
        with open(sys.argv[2]) as stream:
            return json.load(stream)
    return [tool("good")]


def answer(message):
    result = {"content": [{"type": "text", "text": "fine"}]}
    if KIND == "floods":
        while True:
            send({"method": "notifications/message", "params": {"level": "info", "data": "\x1b[31mhello"}})
    if KIND == "floods without a line":
        while True:
            sys.stdout.write("x" * 65536)
    if KIND == "floods stderr":
        for _ in range(100):
            sys.stderr.write("e" * 65536)
    if KIND == "pings":
        for n in range(20_000):
            send({"id": f"p{n}", "method": "ping"})
    if KIND == "unknown answers":
        for n in range(50):
            send({"id": f"\x1b[31m{n}", "result": {}})
            send({"id": 10_000 + n, "result": {}})
            send({"method": "notifications/unheard of", "params": {"\x1b[31m": 1}})
            send({"id": n, "method": "sampling/nonsense", "params": {"\x1b[31m": 1}})
    if KIND == "never answers":
        return
    if KIND == "dies":
        os._exit(1)
    if KIND == "10 MB":
        result["content"][0]["text"] = "x" * 10_000_000
    if KIND == "nan":
        result["structuredContent"] = {"value": float("nan")}
    if KIND == "nonsense":
        result = {"content": "none"}
    if KIND == "deep":
        deep = '{"a":' * 5000 + "1" + "}" * 5000
        sys.stdout.write(f'{{"jsonrpc":"2.0","id":{message["id"]},"result":{deep}}}\n')
        sys.stdout.flush()
        return
    if KIND == "refuses":
        send({"id": message["id"], "error": {"code": -32000, "message": "\x1b[31mno" + "!" * 100_000}})
        return
    send({"id": message["id"], "result": result})


if KIND == "says nothing":
    time.sleep(60)
if KIND == "ends at once":
    sys.exit(1)
if KIND == "ignores everything":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)

for line in sys.stdin:
    request = json.loads(line)
    method = request.get("method")
    if method == "initialize":
        version = "1990-01-01" if KIND == "old version" else request["params"]["protocolVersion"]
        info = {"name": "hostile", "version": "1"}
        send(
            {
                "id": request["id"],
                "result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info},
            }
        )
    elif method == "tools/list":
        page = {"tools": tools()}
        if KIND == "endless pages":
            page["nextCursor"] = "again"
        send({"id": request["id"], "result": page})
    elif method == "tools/call":
        answer(request)
if KIND == "ignores everything":
    time.sleep(600)
