"""A real MCP server for the tests, over stdio or streamable HTTP: `python mcp_server.py [PORT]`."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.fastmcp import FastMCP, Image
from mcp.types import ToolAnnotations
from pydantic import BaseModel

print("starting up", file=sys.stderr)
server = FastMCP("tests", log_level="ERROR", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)


class Point(BaseModel):
    x: int
    y: int


@server.tool(annotations=ToolAnnotations(readOnlyHint=True, idempotentHint=True), structured_output=False)
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool(structured_output=False)
def echo(text: str, config: str = "", self: str = "") -> str:
    """Return the text."""
    return text + config + self


@server.tool(structured_output=False)
async def slow(seconds: float) -> str:
    """Answer late."""
    import anyio

    await anyio.sleep(seconds)
    return "done"


@server.tool(structured_output=False)
def hang(seconds: float) -> str:
    """Block the whole server."""
    time.sleep(seconds)
    return "done"


@server.tool(structured_output=False)
def crash(note: str = "") -> str:
    """Die in the middle of the call."""
    if note:
        with Path(note).open("a") as stream:
            stream.write("called\n")
    os._exit(3)


@server.tool(structured_output=False)
def big(size: int) -> str:
    """Return many characters."""
    return "x" * size


@server.tool(structured_output=False)
def error() -> str:
    """Fail."""
    raise ValueError("no luck today")


@server.tool()
def structured() -> Point:
    """Return a point."""
    return Point(x=1, y=2)


@server.tool(structured_output=False)
def picture() -> Any:
    """Return a picture and a text."""
    return [Image(data=b"\x89PNG", format="png"), "a picture"]


@server.tool(structured_output=False)
def noisy() -> str:
    """Print to stdout and stderr."""
    print("this is no message", flush=True)
    print("\x1b[31mred", file=sys.stderr, flush=True)
    return "printed"


@server.tool(structured_output=False)
def environment() -> str:
    """Return the names of all environment variables."""
    return " ".join(sorted(os.environ))


@server.tool(structured_output=False)
def process() -> str:
    """Return the server's process id and start a child that would outlive it."""
    import subprocess

    child = subprocess.Popen(["sleep", "300"])
    return f"{os.getpid()} {child.pid}"


if __name__ == "__main__":
    server.run("streamable-http" if len(sys.argv) > 1 else "stdio")
