"""SKILL.md and its folder: exactly the standard's format."""

import json
import subprocess
import sys

import pytest
import skills_ref
from hypothesis import given
from hypothesis import strategies as st

from evolvent.errors import IntegrityError
from evolvent.library.format import draft, read_report, read_skill, skill_files
from evolvent.library.frontmatter import parse_skill_md, render_skill_md
from evolvent.types import SkillCase, SkillState


def lay(folder, files):
    for relative, text in files.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@pytest.fixture
def folder(tmp_path, backward):
    return lay(tmp_path / backward.name, skill_files(draft(backward)))


def test_a_written_skill_reads_back_unchanged(tmp_path, backward, admitted):
    cases = (SkillCase(question="Spell this word backward: é", expected="é", task_id="t1"),)
    skill = draft(backward).model_copy(update={"cases": cases, "state": SkillState.ACTIVE, "reason": ""})
    report = admitted(skill)
    folder = lay(tmp_path / skill.name, skill_files(skill, report))
    again = read_skill(folder)
    assert again.model_copy(update={"metadata": {}}) == skill.model_copy(update={"metadata": {}})
    assert read_report(folder) == report
    assert skill_files(again, report) == skill_files(skill, report)


def test_everything_of_ours_is_text_under_metadata(folder):
    front, body = parse_skill_md((folder / "SKILL.md").read_text())
    assert set(front) == {"name", "description", "metadata"}
    assert all(key.startswith("evolvent-") for key in front["metadata"])
    assert front["metadata"]["evolvent-entry"] == "scripts/solve.py:solve"
    assert "scripts/solve.py" in body


def test_drafting_twice_gives_the_same_version(backward):
    once = draft(backward)
    twice = draft(backward.model_copy(update={"body": once.body, "script": once.script}))
    assert twice.digest == once.digest


text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)


@given(description=text, body=text, value=text)
def test_any_text_survives_and_the_official_parser_reads_the_same(description, body, value):
    front = {"name": "some-name", "description": description, "metadata": {"key": value, value: "x"}}
    written = render_skill_md(front, body)
    parsed, parsed_body = parse_skill_md(written)
    assert parsed == front
    assert parsed_body == body.replace("\r\n", "\n").strip()
    official, _ = skills_ref.parser.parse_frontmatter(written)
    assert official == front


def test_the_official_validator_accepts_what_is_written(folder):
    assert skills_ref.validate(folder) == []
    assert skills_ref.read_properties(folder).description == read_skill(folder).description


BAD = {
    "no front matter": "# Only a body\n",
    "not closed": "---\nname: sample\ndescription: d\n",
    "unknown key": "---\nname: sample\ndescription: d\nversion: '1'\n---\nbody\n",
    "no name": "---\ndescription: d\n---\nbody\n",
    "no description": "---\nname: sample\n---\nbody\n",
    "empty description": "---\nname: sample\ndescription: '  '\n---\nbody\n",
    "long description": f"---\nname: sample\ndescription: {'d' * 1025}\n---\nbody\n",
    "long compatibility": f"---\nname: sample\ndescription: d\ncompatibility: {'c' * 501}\n---\nbody\n",
    "capital name": "---\nname: Sample\ndescription: d\n---\nbody\n",
    "other name than folder": "---\nname: other\ndescription: d\n---\nbody\n",
    "double hyphen": "---\nname: sam--ple\ndescription: d\n---\nbody\n",
    "a list": "---\n- name\n---\nbody\n",
    "flow style": "---\nname: sample\ndescription: d\nmetadata: {a: b}\n---\nbody\n",
    "twice the key": "---\nname: sample\nname: sample\ndescription: d\n---\nbody\n",
    "an anchor": "---\nname: &x sample\ndescription: *x\n---\nbody\n",
    "a tag": "---\nname: sample\ndescription: !!python/name:os.system x\n---\nbody\n",
    "broken yaml": "---\nname: sample\ndescription: 'd\n---\nbody\n",
}
GOOD = {
    "minimal": "---\nname: sample\ndescription: What and when.\n---\n",
    "all keys": "---\nname: sample\ndescription: d\nlicense: MIT\ncompatibility: any\n"
    "allowed-tools: Bash Read\nmetadata:\n  author: someone\n  version: 1.0\n---\n\n"
    "body --- with dashes\n---\nand a rule\n",
    "numbers are text": "---\nname: sample\ndescription: 12\n---\nbody\n",
    "folded": "---\nname: sample\ndescription: >-\n  two\n  lines\n---\nbody\n",
}


@pytest.mark.parametrize("case", BAD)
def test_what_the_official_validator_refuses_is_refused_with_the_file_named(tmp_path, case):
    folder = lay(tmp_path / "sample", {"SKILL.md": BAD[case]})
    assert skills_ref.validate(folder) != []
    with pytest.raises(IntegrityError, match=r"SKILL\.md"):
        read_skill(folder)


@pytest.mark.parametrize("case", GOOD)
def test_what_the_official_validator_accepts_is_read_alike(tmp_path, case):
    folder = lay(tmp_path / "sample", {"SKILL.md": GOOD[case]})
    assert skills_ref.validate(folder) == []
    official = skills_ref.read_properties(folder)
    skill = read_skill(folder)
    assert (skill.name, skill.description) == (official.name, official.description)
    assert skill.metadata == (official.metadata or {})
    assert skill.state is SkillState.CANDIDATE
    assert "never went through admission" in skill.reason


def test_links_are_refused(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    (folder / "references").mkdir()
    (folder / "references" / "note.md").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError, match=r"references/note\.md: symbolic links"):
        read_skill(folder)


def test_a_linked_folder_is_refused(folder, tmp_path):
    (tmp_path / "more").mkdir()
    link = tmp_path / "more" / folder.name
    link.symlink_to(folder)
    with pytest.raises(IntegrityError, match="links are refused"):
        read_skill(link)


@pytest.mark.parametrize(
    ("relative", "content", "reason"),
    [
        ("SKILL.md", b"\xff\xfe", "not UTF-8"),
        ("scripts/solve.py", b"x = '\xff'", "not UTF-8"),
        ("SKILL.md", b"-" * 300_000, "300000 bytes; allowed"),
        ("tests/cases.json", b"[{]", r"tests/cases\.json: Invalid JSON"),
        ("tests/cases.json", b'[{"question": "q"}]', r"cases\.json: 0\.expected: Field required"),
    ],
)
def test_broken_files_are_named_with_the_reason(folder, relative, content, reason):
    lay(folder, {relative: content})
    with pytest.raises(IntegrityError, match=reason):
        read_skill(folder)


def test_a_folder_of_too_many_files_is_refused(folder):
    lay(folder, {f"references/{n}.md": "x" for n in range(501)})
    with pytest.raises(IntegrityError, match="entries"):
        read_skill(folder)


def test_a_change_by_hand_is_noticed(folder):
    script = folder / "scripts" / "solve.py"
    script.write_text(script.read_text().replace("[::-1]", "[::-2]"))
    with pytest.raises(IntegrityError, match="changed after"):
        read_skill(folder)


@pytest.mark.parametrize(
    ("argument", "out", "code"), [("Spell this word backward: abc", "cba\n", 0), ("What is 2 + 2?", "", 3)]
)
def test_the_script_works_for_other_agents(folder, argument, out, code):
    command = [sys.executable, "scripts/solve.py", argument]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (out, code)


def test_a_main_block_of_the_author_is_replaced(propose):
    source = (
        "def solve(question):\n    return question\n\nif __name__ == '__main__':\n    print(solve(input()))\n"
    )
    script = draft(propose(script=source)).script
    assert "input()" not in script
    assert script.count("__main__") == 1


def test_a_json_value_is_printed_as_json(tmp_path, propose):
    skill = draft(propose(script="def solve(question):\n    return [1, 'ä']\n"))
    folder = lay(tmp_path / skill.name, skill_files(skill))
    command = [sys.executable, folder / "scripts" / "solve.py", "q"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1, "ä"]
