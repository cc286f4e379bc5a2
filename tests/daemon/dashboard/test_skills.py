"""The library's pages."""

from __future__ import annotations

import pytest
from tests.daemon.api.serving import Served
from tests.daemon.dashboard.looking import browser, csrf_of

NAME = "date-difference"


def test_the_library_by_name_by_state_and_by_question(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        assert f'href="/skills/{NAME}"' in visitor.get("/skills").text
        assert "No skill is in this state" in visitor.get("/skills?state=retired").text
        assert f'href="/skills/{NAME}"' in visitor.get("/skills?state=unheard-of").text
        found = visitor.get(
            "/skills", params={"q": "How many days lie between 2024-01-01 and 2024-03-01?"}
        ).text
        assert found.index(NAME) > 0
        assert "Probability" in found
        assert visitor.get("/skills?offset=-1").status_code == 422
        assert visitor.get("/skills", params={"q": "x" * 2001}).status_code == 422


def test_a_skill_shows_its_code_its_report_and_its_versions(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        page = visitor.get(f"/skills/{NAME}").text
        for text in ("What admitted it", "It was not used yet", "Script", "Versions", "Evidence"):
            assert text in page
        unknown = visitor.get("/skills/nothing-like-it")
        assert unknown.status_code == 404
        assert NAME in unknown.text  # what there is


def test_pinning_retiring_and_putting_back(served: Served) -> None:
    store = served.runtime.skills
    with browser(served, served.token("admin")) as visitor:
        csrf = csrf_of(visitor, "/skills")
        for pinned in (True, False):
            done = visitor.post(f"/skills/{NAME}/pin", data={"csrf": csrf, "pinned": str(pinned).lower()})
            assert (done.status_code, done.headers["location"]) == (303, f"/skills/{NAME}")
            assert store.get(NAME).pinned is pinned
        done = visitor.post(f"/skills/{NAME}/retire", data={"csrf": csrf, "reason": "<b>old</b>"})
        assert done.status_code == 303
        assert not store.get(NAME).state.usable
        page = visitor.get(f"/skills/{NAME}").text
        assert "<b>old</b>" not in page
        assert "&lt;b&gt;old&lt;/b&gt;" in page
        assert visitor.post(f"/skills/{NAME}/rollback", data={"csrf": csrf}).status_code == 409


@pytest.mark.parametrize("what", ["pin", "retire", "rollback"])
def test_who_may_only_look_decides_nothing(served: Served, what: str) -> None:
    before = served.runtime.skills.get(NAME)
    with browser(served, served.token("submit")) as visitor:
        page = visitor.get(f"/skills/{NAME}").text
        assert "Retire" not in page
        assert (
            visitor.post(f"/skills/{NAME}/{what}", data={"csrf": csrf_of(visitor, "/skills")}).status_code
            == 403
        )
    assert served.runtime.skills.get(NAME) == before
