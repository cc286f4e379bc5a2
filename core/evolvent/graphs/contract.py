"""Contract tests of an agent program: its entry points do their work on a canary, before anything is scored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from evolvent.errors import EvolventError, GuestError, MissingPrerequisite, RunError, SandboxGone, SandboxLost
from evolvent.evolution.edits import apply_edits
from evolvent.evolution.parameters import parameter_values
from evolvent.graphs.parents import ask_selection
from evolvent.protocols import Sandbox, Session
from evolvent.types import JsonValue, Limits, TaskView, Variant, digest

__all__ = ["breach_of_contract"]

SECONDS = 20.0
"""For each entry point; the model answers at once here."""
MAX_GONE = 3
"""Guests that a program is given where each ends with what ran it; then that is held against the program."""
COMMENT = "# A remark."
_USAGE: dict[str, JsonValue] = {"input_tokens": 10, "output_tokens": 10}


def breach_of_contract(sandbox: Sandbox, files: Mapping[str, str], task: TaskView) -> str:
    """Return how a program breaks its contract; empty when it does not.

    `solve` must answer a canary task or give up; `improve` must make a well-formed edit from a canned history and a
    reply of the model that holds one; `select` must choose a viable variant of a small archive.

    Args:
        sandbox: where it runs.
        files: the program.
        task: of the kind that it is made for; nothing of its answer is looked at.

    Raises:
        SandboxLost: no guest can be started at all.
    """
    for _ in range(MAX_GONE - 1):
        with contextlib.suppress(SandboxGone):
            return _breach(sandbox, files, task)
    try:
        return _breach(sandbox, files, task)
    except SandboxGone as error:
        return f"it ended the sandbox: {error}"[:500]


def _breach(sandbox: Sandbox, files: Mapping[str, str], task: TaskView) -> str:
    """Return how a program breaks its contract in one guest.

    Raises:
        SandboxGone: the guest ended with what ran it.
    """
    program = dict(files)
    parameters = parameter_values(files)
    limits = Limits(wall_seconds=SECONDS, cpu_seconds=round(SECONDS))
    try:
        started = sandbox.session(limits)
    except SandboxGone as error:  # where even that fails, it is not the program's fault
        raise SandboxLost(str(error)) from None
    try:
        with contextlib.closing(started) as session:
            session.call("load", {"files": dict[str, JsonValue](program)})

            def invoke(module: str, function: str, args: list[JsonValue], reply: Reply) -> JsonValue:
                context: dict[str, JsonValue] = {"seed": 1, "feedback": [], "parameters": parameters}
                call: dict[str, JsonValue] = {
                    "module": module,
                    "function": function,
                    "args": args,
                    "context": context,
                }
                return session.call("invoke", call, _canned(reply))

            canary = task.model_dump(mode="json")
            return _solves(invoke, canary) or _improves(invoke, program, canary) or _selects(session)
    except (MissingPrerequisite, SandboxGone):
        raise
    except RunError as error:
        return f"it ended the sandbox: {error}"[:500]


Reply = Callable[[str], str]
Invoke = Callable[[str, str, list[JsonValue], Reply], JsonValue]


def _solves(invoke: Invoke, task: JsonValue) -> str:
    try:
        invoke("task_agent", "solve", [task], lambda _: "42")
    except GuestError as error:
        return "" if error.kind == "GiveUp" else f"solve() failed on a canary task: {error}"[:500]
    return ""


def _improves(invoke: Invoke, files: dict[str, str], task: JsonValue) -> str:
    parent: dict[str, JsonValue] = {
        "id": digest(files, 10),
        "files": dict(files),
        "score": 0.5,
        "trials": 2,
        "failures": [
            {
                "task": task,
                "answer": "41",
                "verdict": {"score": 0.0, "passed": False, "feedback": "wrong", "status": "failed"},
            }
        ],
        "problems": [],
        "budget": {"tokens": 4_000},
    }
    history: list[JsonValue] = [
        {
            "id": digest([files], 10),
            "parent": digest([files, 1], 10),
            "operator": "meta-agent",
            "hypothesis": "Ask for the number only.",
            "files": ["prompts/answer.md"],
            "outcome": "measured",
            "score": 0.5,
            "parent_score": 0.25,
        }
    ]
    try:
        proposal = invoke("meta_agent", "improve", [parent, history], _Editor(files))
    except GuestError as error:
        return f"improve() failed on a canned history: {error}"[:500]
    if proposal is None:
        return "improve() proposed nothing, although the model wrote an edit of the file that it was shown"
    try:
        changed, _ = apply_edits(files, proposal)
    except EvolventError as error:
        return f"improve() made no well-formed edit: {error}"[:500]
    return "" if changed != files else "improve() proposed an edit that changes nothing"


def _selects(session: Session) -> str:
    archive = [
        Variant(id="a" * 40, trials=4, passed=2, score=0.5),
        Variant(id="b" * 40, parents=("a" * 40,), generation=1, trials=4, passed=3, score=0.75),
    ]
    try:
        chosen = ask_selection(session, [v.model_dump(mode="json") for v in archive], 1)
    except GuestError as error:
        return f"select() failed on a small archive: {error}"[:500]
    known = [variant.id for variant in archive]  # a program may return what has no hash
    return "" if chosen in known else f"select() chose {chosen!r:.100}; it must return the id of a variant"


class _Editor:
    """A model that edits the file that it is shown: a block to search and replace, then the whole file in a fence.

    Both forms are there because a program may ask for either.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def __call__(self, request: str) -> str:
        shown = {path: self._lines(path, request) for path in self._files}
        path = max(shown, key=lambda p: (p in request, len(shown[p]), p == "task_agent.py"))
        text = self._files[path]
        line = next(iter(shown[path] or self._lines(path, text)), text)
        new = f"{line} Be careful." if path.endswith(".md") else f"{COMMENT}\n{line}"
        return (
            f"Hypothesis: it reads better so.\n\n{path}\n<<<<<<< SEARCH\n{line}\n=======\n{new}\n>>>>>>> REPLACE\n\n"
            f"The whole file {path}:\n```\n{text.replace(line, new, 1)}```\n"
        )

    def _lines(self, path: str, request: str) -> list[str]:
        """Return the lines of a file that a request shows, that stand in the file once, and not inside anything."""
        text = self._files[path]
        return [
            line
            for line in text.splitlines()
            if line[:1].strip()
            and text.count(line) == 1
            and line in request
            and not line.startswith(('"', ")"))
        ]


def _canned(reply: Reply) -> Callable[[str, dict[str, JsonValue]], JsonValue]:
    answers: dict[str, JsonValue] = {
        "skills.search": [],
        "skills.context": {"text": "", "skills": []},
        "memory.search": [],
        "tools.list": [],
        "budget": {"tokens_left": 4_000, "seconds_left": SECONDS, "requests_left": 100},
        "log": None,
    }

    def answer(method: str, params: dict[str, JsonValue]) -> JsonValue:
        if method == "model.complete":
            messages = params.get("messages")
            asked = messages if isinstance(messages, list) else []
            request = "\n".join(str(m.get("content")) for m in asked if isinstance(m, dict))
            return {"text": reply(request), "value": None, "usage": _USAGE}
        if method == "run_python":
            calls = params.get("calls")
            count = len(calls) if isinstance(calls, list) else 1
            done: JsonValue = {
                "outcome": "exception",
                "value": None,
                "error": "not run here",
                "line": None,
                "stdout": "",
            }
            return [done] * count
        if method not in answers:
            raise GuestError("UsageError", f"{method} is not offered in a contract test")
        return answers[method]

    return answer
