"""A guard that rejects calls whose arguments hold something like a key."""

import json
import re

from evolvent import Decision, hookimpl

KEY = re.compile(r"\b(sk|ghp|AKIA)[-_A-Za-z0-9]{16,}")


@hookimpl
def review_tool_call(call):
    if KEY.search(json.dumps(call.arguments)):
        return Decision(verdict="reject", reason=f"the arguments of {call.tool} hold something like a key")
    return None
