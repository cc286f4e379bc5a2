"""Every page, in light and dark, wide and narrow: readable, and without a serious fault of accessibility."""

from __future__ import annotations

from typing import Any

import pytest
from tests.daemon.api.serving import Serve, Served, fill
from tests.daemon.dashboard.grown import grow_archive, grow_days

from evolvent.daemon.dashboard.pages import PAGES
from evolvent.types import ApprovalRequest, JobRequest

pytestmark = pytest.mark.browser

VIEWS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
    "narrow-dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
}


SCRIPTS = {"scripts": True, "no-scripts": False}


@pytest.fixture(scope="module")
def paths() -> dict[str, str]:
    return {page.title.lower(): page.path for page in PAGES}


def furnish(served: Served) -> dict[str, str]:
    """Put something on every page; return further pages by name."""
    filled = fill(served.runtime)
    ids = grow_archive(served.runtime, 40)
    grow_days(served.runtime, 30)
    skill = sorted(one.name for one in served.runtime.skills.list())[0]
    job, _ = served.daemon.submit(JobRequest(payload={"prompt": "What is 6 times 7?"}))
    served.ended(job.id)
    served.daemon.pause("a person looks at the pictures")
    for number in range(3):
        served.daemon.submit(JobRequest(payload={"prompt": f"How many primes are below {10**number}?"}))
    served.runtime.approvals.ask(
        ApprovalRequest(
            id="q-mail",
            run_id=filled.run,
            session_id=f"{filled.run}#1",
            kind="tool_call",
            subject={
                "tool": "http",
                "arguments": {"url": "https://example.org/", "method": "POST"},
                "touches": ["network"],
            },
            reason="the policy file hands calls that touch the network to a person",
        )
    )
    return {
        "jobs": "/jobs",
        "job": f"/jobs/{job.id}",
        "run": f"/runs/{filled.run}",
        "attempt": f"/runs/{filled.run}/attempts/1",
        "variant": f"/lineage/{ids[5]}",
        "skill": f"/skills/{skill}",
        "nothing": "/nothing",
    }


def show(seen: Any, path: str, scripts: bool) -> None:
    """Load a page with scripts or without; axe, which is one, may look at it after."""
    seen.scripts(scripts)
    seen.go(path)
    seen.scripts(True)
    seen.unfold()


@pytest.mark.parametrize("scripts", SCRIPTS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_page_can_be_read(
    serve: Serve, visit: Any, paths: dict[str, str], view: str, scripts: str
) -> None:
    served = serve(daemon_day_tokens=20_000, daemon_day_dollars=2.0)
    more = furnish(served)
    seen = visit(served, "/", bypass_csp=True, **VIEWS[view])
    found: dict[str, list[str]] = {}
    for name, path in (paths | more | {"login": "/login"}).items():
        if name == "nothing":
            seen.away = True  # the browser reports that it is not found
        show(seen, path, SCRIPTS[scripts])
        seen.away = False
        seen.picture(f"{name}-{view}-{scripts}")
        if violations := seen.violations():
            found[name] = violations
        wide = seen.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the screen"
    assert found == {}


def test_lists_need_no_sliding_on_a_phone(serve: Serve, visit: Any, paths: dict[str, str]) -> None:
    served = serve()
    more = furnish(served)
    seen = visit(served, "/", **VIEWS["narrow"])
    cut = "() => [...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    for name in ("now", "skills", "runs", "approvals", "health", "jobs", "run"):
        seen.go((paths | more)[name])
        assert seen.page.evaluate(cut) == 0, name
    seen.go("/skills?q=roman+numerals")
    assert seen.page.evaluate(cut) == 0


@pytest.mark.parametrize("scripts", SCRIPTS)
@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_home_says_what_to_do(
    served: Served, visit: Any, paths: dict[str, str], view: str, scripts: str
) -> None:
    seen = visit(served, "/", bypass_csp=True, **VIEWS[view])
    for name, path in paths.items():
        show(seen, path, SCRIPTS[scripts])
        seen.picture(f"{name}-empty-{view}-{scripts}")
        assert seen.violations() == [], name


def test_the_policy_holds_on_every_page(serve: Serve, visit: Any, paths: dict[str, str]) -> None:
    served = serve()
    more = furnish(served)
    seen = visit(served, "/")
    for name, path in (paths | more).items():
        seen.away = name == "nothing"
        seen.go(path)
        seen.page.wait_for_timeout(300)
        seen.away = False
    assert seen.page.evaluate("() => { try { return eval('1+1') } catch { return 'refused' } }") in (
        "refused",
        2,
    )


def test_the_colours_that_were_chosen_are_remembered(served: Served, visit: Any) -> None:
    seen = visit(served, "/", color_scheme="light")
    back = "() => getComputedStyle(document.body).backgroundColor"
    light = seen.page.evaluate(back)
    seen.page.get_by_role("button", name="Use dark colours").click()
    dark = seen.page.evaluate(back)
    assert light != dark
    seen.go("/runs")
    assert seen.page.evaluate(back) == dark
    seen.page.get_by_role("button", name="Use light colours").click()
    assert seen.page.evaluate(back) == light
