"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", Path(__file__).with_name("reference.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOK_PAGES = [f"hooks/{path.name}" for path in sorted((ROOT / "docs" / "reference" / "hooks").glob("*.md"))]


RENDERED = ["cli.md", "settings.md", "hooks.md", "broker.md", "errors.md", "http-api.md", "openapi.json"]


@pytest.mark.parametrize("name", [*RENDERED, *HOOK_PAGES])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    written = (ROOT / "docs" / "reference" / name).read_text()
    assert written == reference().PAGES[name](), "run: python tests/meta/reference.py"


def test_every_hook_has_a_page_and_an_example_that_implements_it() -> None:
    from evolvent.plugins import PluginHost
    from evolvent.plugins.specs import HOOKS

    assert sorted(HOOK_PAGES) == sorted(f"hooks/{name}.md" for name in HOOKS)
    examples = ROOT / "docs" / "examples" / "hooks"
    assert sorted(path.stem for path in examples.glob("*.py")) == sorted(HOOKS)
    host = PluginHost([])
    for path in sorted(examples.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        host.add(module, path.stem)
        assert path.stem in host.infos[path.stem].hooks


def runnable() -> list[Path]:
    return [
        page for page in PAGES if any("no-run" not in info for info, _ in BLOCK.findall(page.read_text()))
    ]


@pytest.mark.parametrize("page", runnable(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_on_a_page_runs(page: Path, tmp_path: Path) -> None:
    code = "\n".join(text for info, text in BLOCK.findall(page.read_text()) if "no-run" not in info)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


def test_the_list_for_language_models_names_every_page() -> None:
    listed = (ROOT / "docs" / "llms.txt").read_text()
    missing = [str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")]
    assert [page for page in missing if page not in listed] == []


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in PAGES
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    }
    assert named - targets == set()


def test_every_hook_is_tested() -> None:
    from evolvent.plugins.specs import HOOKS

    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    tests = "\n".join(path.read_text() for path in files)
    assert [name for name in HOOKS if name not in tests] == []
