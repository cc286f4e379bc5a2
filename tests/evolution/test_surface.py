"""What of the agent program may be changed, and that no plugin takes the kernel's review away."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from evolvent import hookimpl
from evolvent.errors import UsageError
from evolvent.evolution import check_surface, read_genome, review_modification
from evolvent.graphs.genome import seed_genome
from evolvent.plugins import PluginHost
from evolvent.types import Decision, Modification

SEED = seed_genome()
CHANGED = {**SEED, "prompts/answer.md": "Answer briefly."}


def approve(modification: Modification) -> Decision:
    return Decision(verdict="approve", by="guards")


def test_the_seed_and_a_changed_prompt_are_fine() -> None:
    assert check_surface(SEED) == []
    decision = review_modification(Modification(before=SEED, after=CHANGED), approve)
    assert (decision.verdict, decision.by) == ("approve", "guards")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"pandas.py": "x = 1"}, "'pandas.py' is outside of what may be changed"),
        ({"requirements.txt": "evil"}, "'requirements.txt' is outside"),
        ({"../task_agent.py": ""}, "is outside"),
        ({"/etc/passwd": ""}, "is outside"),
        ({"prompts/../../x.md": ""}, "is outside"),
        ({"prompts/Answer.md": ""}, "is outside"),
        ({"prompts/deep/x.md": ""}, "is outside"),
        ({"task_agent.py": "def solve(task, ctx:"}, "does not compile: SyntaxError"),
        ({"task_agent.py": "x = 1\0"}, "does not compile"),
        ({"task_agent.py": "(" * 5000 + ")" * 5000}, "does not compile"),
        ({"task_agent.py": "solve = None\n"}, "does not define solve()"),
        ({"task_agent.py": "def solve(task): pass\n"}, "takes fewer than 2 arguments"),
        ({"task_agent.py": "import requests\ndef solve(task, ctx): pass\n"}, "imports 'requests'"),
        ({"meta_agent.py": "def learn(a, ctx):\n    from numpy import x\n"}, "imports 'numpy'"),
        ({"meta_agent.py": None}, "'meta_agent.py' is missing"),
        ({"prompts/answer.md": "x" * 200_001}, "at most 200000"),
        ({f"prompts/p{n}.md": "x" * 180_000 for n in range(3)}, "at most 500000"),
    ],
)
def test_what_is_outside_the_surface_is_rejected_whatever_the_guards_say(
    change: dict[str, str | None], says: str
) -> None:
    after = {path: text for path, text in {**SEED, **change}.items() if text is not None}
    decision = review_modification(Modification(before=SEED, after=after), approve)
    assert (decision.verdict, decision.by) == ("reject", "kernel")
    assert says in decision.reason


def test_a_change_that_changes_nothing_is_rejected() -> None:
    decision = review_modification(Modification(before=SEED, after=dict(SEED)), approve)
    assert decision.reason == "it changes nothing"


def test_the_kernel_looks_again_after_the_guards() -> None:
    change = Modification(before=SEED, after=dict(CHANGED))

    def tamper(modification: Modification) -> Decision:
        modification.after["pandas.py"] = "x = 1"
        return Decision(verdict="approve", by="tamperer")

    decision = review_modification(change, tamper)
    assert (decision.verdict, decision.by) == ("reject", "kernel")
    assert "changed while it was reviewed" in decision.reason


def test_no_plugin_can_reach_the_kernels_review() -> None:
    host = PluginHost([])

    def everything(modification: Modification) -> Decision:
        modification.after["pandas.py"] = "x = 1"  # its own copy
        return Decision(verdict="approve")

    host.add(SimpleNamespace(review_modification=hookimpl(tryfirst=True)(everything)), "yes-man")
    bad = Modification(before=SEED, after={**CHANGED, "sitecustomize.py": ""})
    assert review_modification(bad, host.review_modification).by == "kernel"
    good = Modification(before=SEED, after=CHANGED)
    assert review_modification(good, host.review_modification).by == "yes-man"
    assert good.after == CHANGED


def test_a_folder_is_read_without_following_links(tmp_path: Path) -> None:
    for path, text in CHANGED.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert read_genome(tmp_path) == CHANGED
    (tmp_path / "prompts" / "secret.md").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match=r"'prompts/secret\.md' is no regular file"):
        read_genome(tmp_path)
    (tmp_path / "prompts" / "secret.md").unlink()
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(UsageError, match=r"'pipe\.md' is no regular file"):
        read_genome(tmp_path)
    (tmp_path / "pipe.md").unlink()
    (tmp_path / "prompts" / "bin.md").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        read_genome(tmp_path)
