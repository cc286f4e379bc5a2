"""`evolvent policies`: listing and comparing."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from evolvent.cli.policies import app

SMALL = ("--seeds", "2", "--evaluations", "30", "--policy", "dgm", "--policy", "hgm")


def call(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], env={"COLUMNS": "160"})


def test_the_built_in_policies_are_listed() -> None:
    listed = {row["name"]: row["about"] for row in json.loads(call("list", "--json").stdout)}
    assert {"best", "dgm", "dgm-h", "hgm", "hill-climb", "map-elites", "pareto", "random"} <= set(listed)
    assert all(about.startswith(f"`{name}`") for name, about in listed.items() if name in ("hgm", "pareto"))


def test_policies_are_compared_in_a_table() -> None:
    done = call("simulate", *SMALL)
    assert done.exit_code == 0, done.output
    assert "mismatched world: 30 evaluations, 2 seeds, 95 % intervals" in done.stdout
    rows = [line for line in done.stdout.splitlines() if "│" in line]
    assert {row.split("│")[1].strip() for row in rows} == {"dgm", "hgm"}


def test_a_policy_that_is_named_twice_is_compared_once_and_json_is_all_there_is() -> None:
    done = call("simulate", *SMALL, "--policy", "dgm", "--world", "aligned", "--json")
    found = json.loads(done.stdout)
    assert (found["world"], found["seeds"], found["evaluations"], found["trials"]) == ("aligned", 2, 30, 10)
    assert sorted(o["policy"] for o in found["outcomes"]) == ["dgm", "hgm"]
    assert all(len(o["rates"]) == 2 for o in found["outcomes"])


def test_the_plot_is_an_svg_with_the_names_and_the_same_each_time(tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in files:
        assert call("simulate", *SMALL, "--plot", str(path)).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    texts = {e.text for e in ElementTree.parse(files[0]).iter("{http://www.w3.org/2000/svg}text")}
    assert {"dgm", "hgm", "evaluations", "true pass rate of the champion"} <= texts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--policy", "hmg"], "unknown policy 'hmg'; did you mean 'hgm'?"),
        (["--world", "flat"], "unknown world 'flat'; known: aligned, mismatched, opposed"),
        (["--seeds", "1"], "--seeds"),
        (["--evaluations", "0"], "--evaluations"),
        (["--trials", "x"], "--trials"),
        (["--plot", "plot.png"], "'plot.png': the plot is an SVG"),
        (["--plot", "/no/such/folder/plot.svg"], "there is no folder '/no/such/folder'"),
    ],
)
def test_what_cannot_be_simulated_is_said(words: list[str], said: str) -> None:
    done = call("simulate", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_the_best_policy_is_bold() -> None:
    from rich.console import Console

    from evolvent.cli.policies import compared
    from evolvent.evolution.simulation import simulate
    from evolvent_plugins.policies import POLICIES

    found = simulate({name: POLICIES[name] for name in ("dgm", "random")}, seeds=2, evaluations=60)
    console = Console(force_terminal=True, width=160, record=True, file=StringIO())
    console.print(compared(found))
    lines = console.export_text(styles=True).splitlines()
    best, other = (next(line for line in lines if o.policy in line) for o in found.outcomes)
    assert f"\x1b[1m{found.outcomes[0].policy}" in best
    assert "\x1b[1m" not in other
