"""Measure how long nodes take, and keep the slowest in the state."""

import time

from evolvent import hookimpl


@hookimpl
def register_state_keys(register):
    register("slowest_node", "name and seconds of the slowest node so far")


@hookimpl
def around_node(node, state):
    started = time.monotonic()
    yield
    seconds = round(time.monotonic() - started, 3)
    slowest = state["extras"].get("slowest_node") or ["", 0.0]
    return {"slowest_node": [node, seconds] if seconds > slowest[1] else slowest}
