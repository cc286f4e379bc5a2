"""`evolvent skills import`: what comes from others goes through admission, in the real sandbox."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evolvent.library.format import read_skill
from evolvent.library.signing import public_key, sign_folder, signing_key
from evolvent.settings import Settings

SOLVE = """\
import re


def solve(question):
    match = re.fullmatch(r"Count the letters of the word (\\w+)\\.", question)
    return str(len(match.group(1))) if match else None
"""
WORDS = [
    "a",
    "to",
    "cat",
    "lion",
    "tiger",
    "monkey",
    "giraffe",
    "elephant",
    "crocodile",
    "chimpanzee",
    "xylophonist",
    "y",
]


def evolvent(*args: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from evolvent.cli import main; main()", *args]
    env = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=200, check=False, cwd=cwd)


def lay(root: Path, name: str = "letter-counter", script: str | None = SOLVE, **files: str) -> Path:
    folder = root / name
    (folder / "tests").mkdir(parents=True)
    text = (
        f"---\nname: {name}\ndescription: Counts the letters of a word. Use it when asked to count the letters of one"
        " word.\nlicense: MIT\n---\n\n# Count\n\nCount the letters.\n"
    )
    (folder / "SKILL.md").write_text(text)
    if script is not None:
        (folder / "scripts").mkdir()
        (folder / "scripts" / "solve.py").write_text(script)
        cases = [
            {"question": f"Count the letters of the word {word}.", "expected": str(len(word)), "task_id": ""}
            for word in WORDS
        ]
        (folder / "tests" / "cases.json").write_text(json.dumps(cases))
    for relative, content in files.items():
        path = folder / relative.replace("__", "/").replace("_md", ".md")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    assert done.stdout, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_a_skill_that_passes_its_tests_here_is_taken_with_all_its_files(tmp_path: Path) -> None:
    lay(tmp_path / "theirs", references__why_md="# Why\n\nTo know how long a word is.\n")
    done = evolvent("skills", "import", str(tmp_path / "theirs"), "--json")
    found = rows(done)["letter-counter"]
    assert (done.returncode, found["state"]) == (0, "probation"), found
    skill = read_skill(Settings().home / "skills" / "letter-counter")
    assert (skill.digest, skill.license, set(skill.files)) == (found["digest"], "MIT", {"references/why.md"})
    assert skill.metadata["evolvent-origin"] == "folder:theirs"
    assert len(skill.cases) > 5
    again = rows(evolvent("skills", "import", str(tmp_path / "theirs"), "--json"))["letter-counter"]
    assert (again["state"], again["digest"]) == ("probation", found["digest"])
    assert evolvent("skills", "test", "letter-counter").returncode == 0
    assert evolvent("skills", "audit").returncode == 0
    exported = tmp_path / "out"
    assert evolvent("skills", "export", "letter-counter", "--to", str(exported)).returncode == 0
    assert (exported / "letter-counter" / "references" / "why.md").is_file()
    assert (exported / "letter-counter" / "evals" / "evals.json").is_file()


def test_a_bad_one_is_refused_with_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    lay(tmp_path / "theirs")
    wrong = SOLVE.replace("letters of the word", "vowels of the word")
    lay(tmp_path / "theirs", "vowel-counter", wrong + "\nimport socket\n")
    lay(tmp_path / "theirs", "leaker", None, references__key_md="password = hunter2hunter2\n")
    (tmp_path / "theirs" / "broken").mkdir()
    (tmp_path / "theirs" / "broken" / "SKILL.md").write_text("no front matter")
    done = evolvent("skills", "import", str(tmp_path / "theirs"), "--json")
    found = rows(done)
    assert done.returncode == 1
    assert found["letter-counter"]["state"] == "probation"
    assert "socket" in found["vowel-counter"]["reason"]
    assert "password" in found["leaker"]["reason"]
    assert "front matter" in found["broken"]["reason"]


def test_prose_needs_a_persons_word(tmp_path: Path) -> None:
    lay(tmp_path / "theirs", "how-to-greet", None)
    done = evolvent("skills", "import", str(tmp_path / "theirs"), "--json")
    assert done.returncode == 1
    assert rows(done)["how-to-greet"]["state"] == "refused"
    done = evolvent("skills", "import", str(tmp_path / "theirs"), "--vouch", "read it all", "--json")
    found = rows(done)["how-to-greet"]
    assert (found["state"], found["reason"]) == ("probation", "a person vouches: read it all")


def test_an_origin_that_must_sign_is_held_to_it(tmp_path: Path) -> None:
    folder = lay(tmp_path / "theirs")
    key = signing_key(tmp_path / "their.key")
    home = Settings().home
    home.mkdir(parents=True, exist_ok=True)
    rule = f'[[origin]]\nmatch = "folder:theirs"\nkeys = ["{public_key(key)}"]\n'
    (home / "trust.toml").write_text(rule)
    done = evolvent("skills", "import", str(tmp_path / "theirs"), "--json")
    assert "is not signed" in rows(done)["letter-counter"]["reason"]
    sign_folder(folder, key)
    found = rows(evolvent("skills", "import", str(tmp_path / "theirs"), "--json"))["letter-counter"]
    assert (found["state"], found["signer"]) == ("probation", public_key(key))


def test_a_projects_skills_are_taken_only_by_consent(tmp_path: Path) -> None:
    lay(tmp_path / "user" / ".agents" / "skills", "how-to-greet", None)
    project = tmp_path / "user" / "project"
    lay(project / ".agents" / "skills")
    home = {"HOME": str(tmp_path / "user")}
    refused = evolvent("skills", "import", "--agents", cwd=project, **home)
    assert refused.returncode == 1
    assert "written by whoever wrote the project" in refused.stderr
    assert not (Settings().home / "skills" / "letter-counter").exists()
    done = evolvent(
        "skills", "import", "--agents", "--yes", "--name", "letter-counter", "--json", cwd=project, **home
    )
    assert rows(done)["letter-counter"]["origin"] == "project:project"
    assert rows(done)["letter-counter"]["state"] == "probation"


def test_an_archive_is_a_source_and_nonsense_is_not(tmp_path: Path) -> None:
    lay(tmp_path / "theirs")
    archive = shutil.make_archive(str(tmp_path / "skills"), "zip", tmp_path / "theirs")
    found = rows(evolvent("skills", "import", archive, "--json"))["letter-counter"]
    assert found["state"] == "probation"
    assert found["origin"].startswith("archive:skills.zip@")
    for args in ((str(tmp_path / "nowhere"),), (), (archive, "--agents")):
        done = evolvent("skills", "import", *args)
        assert done.returncode == 2, done.stderr


@pytest.mark.parametrize("name", ["letter-counter"])
def test_an_edit_that_was_set_aside_can_be_proposed(tmp_path: Path, name: str) -> None:
    assert evolvent("skills", "import", str(lay(tmp_path / "theirs").parent)).returncode == 0
    path = Settings().home / "skills" / name / "scripts" / "solve.py"
    path.write_text(path.read_text().replace("letters of the word", "characters of the word"))
    done = evolvent("skills", "audit", "--json")
    assert "kept as damaged/letter-counter-1" in done.stdout
    aside = Settings().home / "damaged"
    (aside / "letter-counter-1").rename(aside / "letter-counter")
    done = evolvent("skills", "import", str(aside), "--json")
    assert rows(done)[name]["state"] == "refused", "it passes none of its tests any more"
