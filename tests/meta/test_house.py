"""The house stands as its plan says: packages, wheel, imports."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("core/evolvent", "plugins/evolvent_plugins", "sandbox/evolvent_sandbox", "skills/evolvent_skills")
HEAVY = (
    "torch",
    "chromadb",
    "langgraph",
    "langchain_core",
    "sentence_transformers",
    "xllamacpp",
    "reasoning_gym",
)


def python(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def sources(package: str) -> list[Path]:
    return [p for p in (ROOT / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_no_module_is_longer_than_fits_in_the_head() -> None:
    long = {
        str(p): n
        for k in PACKAGES
        for p in sources(k)
        if p.suffix == ".py"
        and p.parent.name not in ("benign", "hostile")
        and (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}


def test_the_wheel_holds_every_source_file_and_no_test(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(p.relative_to(ROOT / k.split("/")[0])) for k in PACKAGES for p in sources(k)}
    assert wanted - held == set()
    assert not [name for name in held if name.startswith("tests")]


@pytest.mark.parametrize("code", ["import evolvent", "from evolvent.cli import app"])
def test_importing_is_light(code: str, tmp_path: Path) -> None:
    done = python(f"{code}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])", tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_importing_every_module_prints_nothing_and_makes_nothing(tmp_path: Path, own_home: Path) -> None:
    code = (
        "import pkgutil, importlib, evolvent, evolvent_plugins, evolvent_sandbox\n"
        "skip = ('evolvent.seed', 'evolvent.storage.migrations.env')\n"
        "for package in (evolvent, evolvent_plugins, evolvent_sandbox):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not module.name.startswith(skip):\n"
        "            importlib.import_module(module.name)\n"
    )
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not own_home.exists()
    assert list(tmp_path.iterdir()) == []


def test_every_entry_point_is_a_module() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["evolvent"]
    assert [name for name in declared.values() if find_spec(name) is None] == []


def test_versions_agree() -> None:
    import evolvent

    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == evolvent.__version__


def test_ci_calls_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert "make check" in script
    assert "make test" in script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
