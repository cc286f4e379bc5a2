"""`check_operator` passes good mutation operators and catches wrong ones."""

import json
import random
import time

import pytest

from evolvent.testing import check_operator
from evolvent.types import Modification


def modification(context, **changes):
    before = dict(context.files(context.parent.id))
    return Modification(parent=context.parent.id, before=before, after={**before, **changes})


class Rewrites:
    """Takes the model's answer as the new prompt, where it is text."""

    def propose(self, context):
        files = context.files(context.parent.id)
        failed = "\n".join(str(f["task"]["prompt"]) for f in context.failures())
        asked = f"Improve this prompt:\n{files['prompts/solve.md']}\nIt failed on:\n{failed}"
        answer = context.complete([{"role": "user", "content": asked}])
        text = answer.encode("utf-8", "ignore").decode().replace("\0", "").strip()
        return modification(context, **{"prompts/solve.md": text}) if text else None


class Crosses:
    def propose(self, context):
        others = [v for v in context.archive if v.viable and v.id != context.parent.id]
        path = context.rng.choice(sorted(context.files(context.parent.id)))
        text = context.files(context.rng.choice(others).id)[path]
        made = modification(context, **{path: text})
        return made if made.changed else None


class NoIdea:
    def propose(self, context):
        return None


@pytest.mark.parametrize("good", [Rewrites, Crosses, NoIdea])
def test_a_good_operator_conforms_in_less_than_two_seconds(good):
    started = time.perf_counter()
    check_operator(good())
    assert time.perf_counter() - started < 2


class Trusts:
    def propose(self, context):
        return modification(context, **json.loads(context.complete([{"role": "user", "content": "?"}])))


class Escapes:
    def propose(self, context):
        return modification(context, **{"../evil.py": "x"})


class Absolute:
    def propose(self, context):
        return modification(context, **{"/etc/passwd": "x"})


class Roundabout:
    def propose(self, context):
        return modification(context, **{"./prompts//new.md": "x"})


class Unchanged:
    def propose(self, context):
        return modification(context)


class Empties:
    def propose(self, context):
        return Modification(parent=context.parent.id, before=dict(context.files("parent")), after={})


class OnlyTheChange:
    def propose(self, context):
        return Modification(before={}, after={"task_agent.py": "x"})


class OtherParent:
    def propose(self, context):
        return modification(context, **{"a.py": "x"}).model_copy(update={"parent": "seed"})


class WritesAnything:
    def propose(self, context):
        answer = context.complete([{"role": "user", "content": "?"}])
        return modification(context, **{"prompts/new.md": answer})


class OwnChance:
    def propose(self, context):
        return modification(context, **{"a.py": str(random.random())})


class AsksOtherwise:
    def __init__(self):
        self.calls = 0

    def propose(self, context):
        self.calls += 1
        context.complete([{"role": "user", "content": f"try {self.calls}"}])


class Dicts:
    def propose(self, context):
        return {"after": {}}


class BadMessages:
    def propose(self, context):
        context.complete([{"content": "?"}])


class EditsArchive:
    def propose(self, context):
        context.archive.pop()


class TrustsTheMetaAgent:
    def propose(self, context):
        return modification(context, **context.improve()["edits"])


class AsksForEver:
    def propose(self, context):
        problems = []
        while context.improve(problems) is None or len(problems) < 1000:
            problems.append("try again")


class OneProblem:
    def propose(self, context):
        context.improve("it is wrong")


class ForgetsItsHistory:
    def propose(self, context):
        return modification(context, **{"prompts/solve.md": context.history()[0]["reason"]})


class UnknownDonor:
    def propose(self, context):
        return modification(context, **{"prompts/solve.md": "x"}).model_copy(update={"donors": ("nobody",)})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (TrustsTheMetaAgent, "raised TypeError.*None without an idea"),
        (AsksForEver, "asked more than 50 times"),
        (OneProblem, "problems must be a sequence of texts"),
        (ForgetsItsHistory, "raised KeyError"),
        (UnknownDonor, "they must be other variants of the archive"),
        (Trusts, "raised JSONDecodeError.*None without an idea"),
        (Escapes, r"'\.\./evil\.py'; a path must be relative"),
        (Absolute, "'/etc/passwd'; a path must be relative"),
        (Roundabout, "shortest form"),
        (Unchanged, "`after` equals `before`"),
        (Empties, "`after` is empty"),
        (OnlyTheChange, "`before` is not the parent's files"),
        (OtherParent, "changes 'seed'; it must change the context's parent"),
        (WritesAnything, "does not hold text"),
        (OwnChance, "the same state of rng"),
        (AsksOtherwise, "it must ask and propose the same"),
        (Dicts, "must return a Modification, or None"),
        (BadMessages, "a message must have a role"),
        (EditsArchive, "changes the archive"),
    ],
)
def test_a_wrong_operator_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words) as caught:
        check_operator(wrong())
    assert "\n" not in str(caught.value)
