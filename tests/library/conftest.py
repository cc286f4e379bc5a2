"""Fixtures of the library's tests: real stores and indexes, a real embedder, tasks that can be judged."""

import pytest

from evolvent import Settings
from evolvent.library import Router, SkillStore
from evolvent.search import VectorIndex
from evolvent.testing.embedder_conformance import WordEmbeddings
from evolvent.types import AdmissionReport, CallResult, SkillProposal, StageResult, Task, Verdict

WORDS = (
    "ammonia",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "sigma",
    "omega",
)

BACKWARD = """\
import re


def solve(question):
    match = re.fullmatch(r"Spell this word backward: (\\w+)", question)
    return match.group(1)[::-1] if match else None
"""


class InProcessFunctions:
    """A function server for scripts that the tests wrote themselves."""

    def __init__(self):
        self.calls = 0

    def call_function(self, source, function, calls, limits=None):
        results = []
        for args in calls:
            self.calls += 1
            scope = {"__name__": "guest"}
            try:
                exec(compile(source, "solve.py", "exec"), scope)
                results.append(CallResult(outcome="value", value=scope[function](*args)))
            except Exception as error:
                results.append(CallResult(outcome="exception", error=f"{type(error).__name__}: {error}"))
        return results


class Exact:
    """Judges by equality."""

    def evaluate(self, task, answer, functions):
        passed = answer == task.reference
        return Verdict(score=float(passed), passed=passed, expected=task.reference, evaluator="exact")


@pytest.fixture(scope="session")
def minilm():
    from evolvent_plugins.minilm import MiniLMEmbeddings

    return MiniLMEmbeddings()


@pytest.fixture(scope="session")
def sandbox():
    from evolvent_plugins import sandbox_bubblewrap

    found = {}
    sandbox_bubblewrap.register_sandboxes(found.__setitem__)
    sandbox = found["bubblewrap"](Settings())
    yield sandbox
    sandbox.close()


@pytest.fixture
def functions():
    return InProcessFunctions()


@pytest.fixture
def evaluators():
    return lambda name: Exact()


@pytest.fixture
def heard():
    return []


@pytest.fixture
def store(tmp_path, heard):
    return SkillStore(tmp_path / "home" / "skills", seeds=None, listener=lambda *told: heard.append(told))


@pytest.fixture
def index(tmp_path):
    index = VectorIndex(tmp_path / "home" / "chroma", "skills", WordEmbeddings, "words")
    yield index
    index.close()


@pytest.fixture
def router(store, index):
    return Router(store, index)


@pytest.fixture
def backward():
    return make_proposal()


@pytest.fixture
def backward_tasks():
    return [task(word) for word in WORDS]


@pytest.fixture(scope="session")
def propose():
    return make_proposal


@pytest.fixture(scope="session")
def admitted():
    return make_report


def make_proposal(name="spell-backward", script=BACKWARD, **changes):
    fields = {
        "name": name,
        "description": "Spells a word backward. Use when asked to spell one word backward.",
        "body": "# Spell backward\n\nReverse the letters.",
        "script": script,
    }
    return SkillProposal(**{**fields, **changes})


def make_report(skill, admitted=True, reason=""):
    stage = StageResult(stage="tests", passed=admitted, reason=reason)
    return AdmissionReport(name=skill.name, digest=skill.digest, admitted=admitted, stages=(stage,))


def task(word):
    return Task(
        id=f"t-{word}",
        prompt=f"Spell this word backward: {word}",
        evaluator="exact",
        reference=word[::-1],
    )
