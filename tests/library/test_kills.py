"""kill -9 at every step of every change: the old or the new state, never a mixture, and a copy that equals it."""

import os
import signal

import pytest

from evolvent.errors import IntegrityError
from evolvent.library import SkillStore
from evolvent.library.audit import audit
from evolvent.library.format import draft
from evolvent.types import SkillState

COUNTED = ("rename", "replace", "fsync", "mkdir", "unlink", "open", "rmdir")


def changes(propose, admitted):
    new = draft(propose(body="# New"))
    return {
        "move": lambda store: store.move("spell-backward", SkillState.ACTIVE, "helps", "trials"),
        "pin": lambda store: store.pin("spell-backward"),
        "add": lambda store: store.add(new, admitted(new)),
        "rollback": lambda store: store.rollback("spell-backward"),
        "first": lambda store: store.add(
            draft(propose(name="another")), admitted(draft(propose(name="another")))
        ),
    }


def seen(root):
    store = SkillStore(root, seeds=None)
    assert not [p for p in store.problems() if p.startswith("skipped")], store.problems()
    assert SkillStore(root, seeds=None).problems() == []
    shown = tuple((s.name, s.digest, s.state, s.pinned) for s in store.list())
    assert [f for f in audit(store) if f.kind not in ("repaired", "duplicate")] == []
    return shown


def killed_at(step, root, change):
    """Make a change in a process that is killed at a call to the file system; returns whether it ended before."""
    store = SkillStore(root, seeds=None)
    child = os.fork()
    if child == 0:
        done = 0

        def counted(real):
            def call(*args, **kwargs):
                nonlocal done
                done += 1
                if done == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return call

        for name in COUNTED:
            setattr(os, name, counted(getattr(os, name)))
        try:
            change(store)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return not os.WIFSIGNALED(status)


@pytest.mark.parametrize("change", ["move", "pin", "add", "rollback", "first"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path, propose, admitted, change):
    outcomes = []
    for step in range(1, 200):
        root = tmp_path / str(step) / "skills"
        store = SkillStore(root, seeds=None)
        for body in ("# Old", "# Present") if change == "rollback" else ("# Present",):
            skill = draft(propose(body=body))
            store.add(skill, admitted(skill))
        before = seen(root)
        ended = killed_at(step, root, changes(propose, admitted)[change])
        after = seen(root)
        # Whatever is destroyed next, the copy brings back the state that counted.
        (root / "spell-backward" / "SKILL.md").write_text("scribble")
        assert seen(root) == after, step
        outcomes.append(after == before)
        if ended:
            assert after != before
            break
    assert ended
    assert outcomes[0]
    assert len(outcomes) > 12
    assert outcomes == sorted(outcomes, reverse=True), "once the new state counts, it stays"


def test_a_version_that_nobody_admitted_cannot_be_put_back(store, propose, admitted):
    skill = draft(propose())
    store.add(skill, admitted(skill))
    new = draft(propose(body="# New"))
    store.add(new, admitted(new))
    (store.root.parent / "history" / skill.name / skill.digest / "tests" / "evidence.json").unlink()
    with pytest.raises(IntegrityError, match="without an admission report"):
        store.rollback(skill.name)
    again = SkillStore(store.root, seeds=None)
    assert (again.get(skill.name).digest, again.problems()) == (new.digest, [])


STRANGE = {
    "a ready folder without its note": lambda home: (home / "skills/.staging/spell-backward.ready").mkdir(),
    "a file among the folders that are ready": lambda home: (home / "skills/.staging/x.ready").write_text(
        "x"
    ),
    "a file among the unfinished folders": lambda home: (home / "skills/.staging/x.part").write_text("x"),
    "a life that is none": lambda home: (home / "skills/spell-backward/tests/lifecycle.json").write_text(
        "[{]"
    ),
    "a file name that is no text": lambda home: open(
        os.fsencode(home / "skills/spell-backward") + b"/\xff.md", "w"
    ).close(),
    "half a character": lambda home: (home / "skills/spell-backward/SKILL.md").write_text(
        '---\nname: spell-backward\ndescription: "\\ud800"\n---\n\nbody\n'
    ),
    "a copy that is nested without end": lambda home: (home / "mirror/spell-backward.json").write_text(
        "[" * 100_000
    ),
    "a copy that leaves its folder": lambda home: (home / "mirror/other.json").write_text(
        '{"SKILL.md": "", "../../out.txt": ""}'
    ),
    "a copy that is no skill": lambda home: (home / "mirror/other.json").write_text('{"SKILL.md": ""}'),
    "a file where damaged folders go": lambda home: (
        (home / "damaged").write_text("x"),
        (home / "skills/spell-backward/SKILL.md").write_text("scribble"),
    ),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_whatever_lies_there_the_library_opens(store, propose, admitted, strange):
    for name in ("spell-backward", "second"):
        skill = draft(propose(name=name, body=f"# {name}"))
        store.add(skill, admitted(skill))
    home = store.root.parent
    STRANGE[strange](home)
    names = {skill.name for skill in SkillStore(store.root, seeds=None).usable()}
    assert names >= ({"second"} if strange.startswith("a file where") else {"second", "spell-backward"})
    for _ in range(2):
        SkillStore(store.root, seeds=None)
    damaged = home / "damaged"
    assert len(list(damaged.iterdir()) if damaged.is_dir() else []) <= 1, "it is set aside once"
    assert not (home / "out.txt").exists()
    assert not (home.parent / "out.txt").exists()


def test_hidden_files_of_a_person_stay_where_they_are(store, propose, admitted):
    skill = draft(propose())
    store.add(skill, admitted(skill))
    (store.root / skill.name / ".notes").write_text("mine")
    store.pin(skill.name)
    assert (store.root / skill.name / ".notes").read_text() == "mine"


def test_a_version_that_comes_back_is_told_anew(tmp_path, propose, admitted):
    heard = []
    store = SkillStore(tmp_path / "skills", seeds=None, listener=lambda *told: heard.append(told))
    from evolvent.library.lifecycle import move_key

    first, second = draft(propose()), draft(propose(body="# Second"))
    for skill in (first, second, first):
        store.add(skill, admitted(skill))
    keys = [move_key(*told) for told in heard]
    assert len(set(keys)) == 3


def test_a_kill_while_a_refusal_is_renewed_leaves_one_of_both(tmp_path, propose, admitted):
    skill = draft(propose())
    first = admitted(skill, admitted=False, reason="3 wrong")
    second = admitted(skill, admitted=False, reason="2 wrong")
    seen = []
    for step in range(1, 200):
        root = tmp_path / str(step) / "skills"
        SkillStore(root, seeds=None).reject(skill, first)
        ended = killed_at(step, root, lambda store: store.reject(skill, second))
        again = SkillStore(root, seeds=None)
        ((name, reason),) = [(s.name, s.reason) for s in again.rejected()]
        assert again.report(name, skill.digest).reason == reason, step
        seen.append(reason)
        if ended:
            break
    assert ended
    assert (seen[0], seen[-1]) == ("tests: 3 wrong", "tests: 2 wrong")
