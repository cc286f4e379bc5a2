"""`evolvent evolve` and `evolvent archive`, as a person uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.evolution.world import Step, World, program
from typer.testing import CliRunner, Result

from evolvent.cli import app
from evolvent.plugins import PluginHost
from evolvent.runtime import Runtime
from evolvent.testing import ScriptedModel

Command = Callable[..., Result]
SIZES = ["--train", "6", "--gate", "24", "--sealed", "6"]
RUN = ["evolve", "sums", "--generations", "1", "--policy", "best", "--operators", "step", *SIZES]


@pytest.fixture
def command(own_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run commands whose runtimes have the world's plugin and a scripted model."""

    def open_(cls: type[Runtime], **given: Any) -> Runtime:
        from evolvent.settings import Settings

        settings = Settings(**{key: value for key, value in given.items() if key != "chat_model"})
        host = PluginHost(settings=settings)
        host.add(World(step=Step((6,))), "world")
        return cls(settings, plugins=host, model=ScriptedModel(script={"": "a remark"}))

    monkeypatch.setattr(Runtime, "open", classmethod(open_))
    root = tmp_path / "program"
    for path, text in program(3).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    def run(*words: str) -> Result:
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*words])

    return run


def test_from_the_first_program_to_a_rollback(command: Command, tmp_path: Path) -> None:
    result = command(*RUN, "--start", str(tmp_path / "program"))
    assert result.exit_code == 0, result.output
    assert re.search(r"train +│ 0\.\d+ → \d\.\d+", result.stdout)
    assert "finished: 1 generation, 2 candidates, 1 accepted" in result.stdout
    assert "is the active program now" in result.stderr
    assert "evolvent archive rollback" in result.stdout

    tree = command("archive", "tree")
    assert tree.exit_code == 0
    active = re.search(
        r"([0-9a-f]{10}) active +(\d\.\d+) \[0\.\d\d, 1\.00\] of 6 +step +level 9", tree.stdout
    )
    assert active, tree.stdout
    told = json.loads(command("archive", "tree", "--json").stdout)
    assert len(told) == 3
    (root,) = [v for v in told if not v["parents"]]

    shown = json.loads(command("archive", "show", "active", "--json").stdout)
    assert shown["id"].startswith(active[1])
    assert shown["gates"][0]["accepted"] is True
    assert command("archive", "show", active[1]).exit_code == 0
    diff = command("archive", "diff", root["id"][:8], "active").stdout
    assert "-LEVEL = 3" in diff
    assert "+LEVEL = 9" in diff
    assert "by step: level 9" in diff
    assert command("archive", "diff", "active").stdout == diff
    assert command("archive", "best").stdout.startswith(active[1])
    assert command("archive", "verify").exit_code == 0

    back = command("archive", "rollback")
    assert back.exit_code == 0, back.output
    assert f"{root['id'][:10]} is the active program now; before: {active[1]}" in back.stderr
    assert command("archive", "rollback").exit_code == 2
    assert command("archive", "promote", active[1], "--because", "it was right").exit_code == 0


def test_a_lineage_is_exported_imported_and_evaluated(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(*RUN, "--start", str(tmp_path / "program"))
    file = tmp_path / "line.tar.gz"
    done = command("archive", "export", "active", "--to", str(file))
    assert done.exit_code == 0, done.output
    assert "2 variants" in done.stderr
    monkeypatch.setenv("EVOLVENT_HOME", str(tmp_path / "elsewhere"))
    taken = command("archive", "import", str(file))
    assert taken.exit_code == 0, taken.output
    variant = taken.stdout.strip()
    found = command("archive", "evaluate", "sums:40", "--variant", variant, "--tasks", "16", "--json")
    assert found.exit_code == 0, found.output
    comparison = json.loads(found.stdout)["comparison"]
    assert comparison["pairs"] == 16
    assert comparison["difference"] > 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["archive", "tree"], 2, "this home has no archive yet; begin with: evolvent evolve SUITE"),
        (["evolve", "sums", "--policy", "dgmh"], 2, "did you mean 'dgm-h'"),
        (["evolve", "sums", "--approve", "sometimes"], 2, "approve"),
        (["evolve", "nothing:x"], 2, "unknown suite"),
        (["evolve", "sums", "--operators", ","], 2, "no mutation operator is given"),
    ],
)
def test_what_cannot_be_used_is_said(words: list[str], code: int, says: str, command: Command) -> None:
    result = command(*words)
    assert result.exit_code == code, result.output
    assert says in result.stderr


def test_unknown_variants_and_what_is_not_frozen(command: Command, tmp_path: Path) -> None:
    command(*RUN, "--start", str(tmp_path / "program"), "--generations", "0")
    for words in (["show", "ffff"], ["diff", "zz"], ["promote", "ffff"]):
        result = command("archive", *words)
        assert result.exit_code == 2
        assert "unknown variant" in result.stderr
    assert "is a seed: it has no parent" in command("archive", "diff", "active").stderr
    assert "evolution is not frozen" in command("archive", "unfreeze", "--because", "x").stderr
