"""Running a few lines inside a guest."""

import time

from evolvent.types import Limits

QUICK = Limits(wall_seconds=10)


def program(body):
    return {"program.py": "def f(*_):\n" + "".join(f"    {line}\n" for line in body.splitlines())}


def inside(session, body):
    session.call("load", {"files": program(body)})
    return session.call("invoke", {"module": "program", "function": "f", "args": []})


def once(sandbox, body, limits=QUICK):
    with sandbox.session(limits) as session:
        return inside(session, body)


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
