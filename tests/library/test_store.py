"""Skill folders on disk: nothing acknowledged is lost, nothing broken is fatal."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from evolvent.errors import UnknownName, UsageError
from evolvent.library import SkillStore
from evolvent.library.contents import further_files
from evolvent.library.format import draft, skill_digest
from evolvent.types import SkillState


def opened(store):
    return SkillStore(store.root, seeds=None)


@pytest.fixture
def kept(store, backward, admitted):
    skill = draft(backward)
    return store.add(skill, admitted(skill))


def test_an_admitted_skill_is_there_after_reopening(store, kept):
    again = opened(store)
    assert again.problems() == []
    assert again.get(kept.name) == kept
    assert (kept.state, kept.state.usable) == (SkillState.PROBATION, True)


def test_adding_the_same_version_twice_changes_nothing(store, kept, admitted):
    before = (store.revision, (store.root / kept.name / "SKILL.md").stat().st_ino)
    store.add(kept, admitted(kept))
    assert (store.revision, (store.root / kept.name / "SKILL.md").stat().st_ino) == before


def test_a_report_on_another_version_admits_nothing(store, propose, admitted):
    one, other = draft(propose()), draft(propose(body="Another."))
    with pytest.raises(UsageError, match="does not admit"):
        store.add(one, admitted(other))
    with pytest.raises(UsageError, match="does not admit"):
        store.add(one, admitted(one, admitted=False))


def test_a_new_version_keeps_the_old_one_in_the_history(store, kept, propose, admitted):
    new = draft(propose(body="# Better"))
    store.add(new, admitted(new))
    assert opened(store).get(kept.name).digest == new.digest
    assert (store.root.parent / "history" / kept.name / kept.digest / "SKILL.md").is_file()


def test_an_unknown_name_suggests_a_close_one(store, kept):
    with pytest.raises(UnknownName, match="did you mean 'spell-backward'"):
        store.get("spell-backwards")


def test_a_rejected_proposal_is_kept_with_its_reason_and_report(store, backward, admitted):
    report = admitted(draft(backward), admitted=False, reason="3 wrong")
    store.reject(backward, report)
    again = opened(store)
    assert again.list() == []
    assert [(skill.name, skill.reason) for skill in again.rejected()] == [
        ("spell-backward", "tests: 3 wrong")
    ]
    assert again.report(backward.name, report.digest) == report
    store.reject(backward, report)
    assert len(again.rejected()) == 1


def test_a_retired_skill_stays_on_disk_but_is_not_active(store, kept):
    retired = store.retire(kept.name, "wrong on umlauts")
    again = opened(store)
    assert again.list(SkillState.ACTIVE) == []
    assert (retired.state, again.get(kept.name).reason) == (SkillState.RETIRED, "wrong on umlauts")
    assert again.report(kept.name, kept.digest) is not None


def test_retiring_needs_a_reason(store, kept):
    with pytest.raises(UsageError, match="reason"):
        store.retire(kept.name, " ")


def test_retiring_keeps_references_and_licence(store, kept):
    folder = store.root / kept.name
    (folder / "references").mkdir()
    (folder / "references" / "note.md").write_text("why")
    text = (folder / "SKILL.md").read_text().replace("metadata:", 'license: "MIT"\nmetadata:')
    files = further_files(folder)
    version = skill_digest(kept.name, kept.description, kept.body, kept.script, files=files)
    for path in (folder / "SKILL.md", folder / "tests" / "evidence.json"):
        old = text if path.name == "SKILL.md" else path.read_text()
        path.write_text(old.replace(kept.digest, version))
    store = opened(store)
    assert (store.get(kept.name).files, store.get(kept.name).license) == (files, "MIT")
    store.retire(kept.name, "old")
    assert (folder / "references" / "note.md").read_text() == "why"
    assert 'license: "MIT"' in (folder / "SKILL.md").read_text()


def test_a_broken_folder_is_reported_and_skipped(store, kept):
    (store.root / "broken").mkdir()
    (store.root / "broken" / "SKILL.md").write_text("nothing")
    again = opened(store)
    assert [skill.name for skill in again.list()] == [kept.name]
    assert any("broken/SKILL.md: must start with YAML" in problem for problem in again.problems())


def test_a_skill_that_calls_itself_active_without_evidence_is_not(store, kept):
    (store.root / kept.name / "tests" / "evidence.json").unlink()
    (store.root.parent / "mirror" / f"{kept.name}.json").unlink()
    again = opened(store)
    assert again.list() == []
    assert "probation without an admission report" in again.problems()[0]


def test_a_broken_folder_can_be_replaced_and_is_kept(store, kept, admitted):
    (store.root / kept.name / "SKILL.md").write_text("scribble")
    (store.root.parent / "mirror" / f"{kept.name}.json").unlink()
    again = opened(store)
    again.add(kept, admitted(kept))
    assert opened(store).get(kept.name).digest == kept.digest
    assert (store.root.parent / "history" / kept.name / "unreadable" / "SKILL.md").read_text() == "scribble"


def test_seed_skills_are_visible_and_read_only(tmp_path):
    store = SkillStore(tmp_path / "skills")
    seeds = {skill.name for skill in store.list(SkillState.ACTIVE)}
    assert {"roman-numerals", "date-difference", "unit-conversion"} <= seeds
    store.retire("roman-numerals", "not wanted here")
    assert SkillStore(tmp_path / "skills").get("roman-numerals").state is SkillState.RETIRED
    assert SkillStore(tmp_path / "other" / "skills").get("roman-numerals").state is SkillState.ACTIVE


def test_an_own_skill_overrides_a_seed(tmp_path, propose, admitted):
    store = SkillStore(tmp_path / "skills")
    own = draft(propose(name="roman-numerals"))
    store.add(own, admitted(own))
    assert SkillStore(tmp_path / "skills").get("roman-numerals").digest == own.digest


KILLED = textwrap.dedent(
    """
    import os, shutil, signal, sys
    from pathlib import Path
    from evolvent.library import SkillStore
    from evolvent.library.format import draft
    from evolvent.types import AdmissionReport, SkillProposal, StageResult

    root, fatal = Path(sys.argv[1]), int(sys.argv[2])
    done = 0

    def counted(real):
        def call(*args, **kwargs):
            global done
            done += 1
            if done == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)
        return call

    def skill(body):
        script = "def solve(q): return q"
        return draft(SkillProposal(name="sample", description="d", body=body, script=script))

    def report(skill):
        stage = StageResult(stage="tests", passed=True)
        return AdmissionReport(name=skill.name, digest=skill.digest, admitted=True, stages=(stage,))

    store = SkillStore(root, seeds=None)
    old, new = skill("old"), skill("new")
    store.add(old, report(old))
    for name in ("rename", "fsync", "mkdir", "unlink", "open"):
        setattr(os, name, counted(getattr(os, name)))
    store.add(new, report(new))
    print("acknowledged", flush=True)
    """
)


def test_kill_9_at_any_step_of_a_write_leaves_the_old_or_the_new_version(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    outcomes = []
    for fatal in range(1, 200):
        root = tmp_path / str(fatal) / "skills"
        done = subprocess.run(
            [sys.executable, script, root, str(fatal)], capture_output=True, text=True, check=False
        )
        store = SkillStore(root, seeds=None)
        body = store.get("sample").body.split("\n")[0]
        assert not any("skipped" in problem for problem in store.problems())
        assert sorted(os.listdir(root / ".staging")) == []
        assert SkillStore(root, seeds=None).problems() == []
        outcomes.append(body)
        if done.returncode == 0:
            assert (done.stdout, body) == ("acknowledged\n", "new")
            break
        assert done.returncode == -signal.SIGKILL
    assert outcomes[0] == "old"
    assert len(outcomes) > 15
    assert outcomes == sorted(outcomes, key=lambda body: body == "new"), "once committed, always new"
