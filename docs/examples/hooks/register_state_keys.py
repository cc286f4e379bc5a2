"""Declare a key, and count under it how many nodes ran."""

from evolvent import hookimpl


@hookimpl
def register_state_keys(register):
    register("node_count", "how many nodes ran so far")


@hookimpl
def around_node(node, state):
    yield
    return {"node_count": state["extras"].get("node_count", 0) + 1}
