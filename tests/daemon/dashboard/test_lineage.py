"""The tree of programs, one of them, and who may make another one active."""

from __future__ import annotations

import html
import json
import re

import pytest
from tests.daemon.api.serving import Served
from tests.daemon.dashboard.grown import grow_archive
from tests.daemon.dashboard.looking import browser, csrf_of

from evolvent.storage.archive import StoredVariant
from evolvent.types import VariantPromoted


def test_a_home_without_an_archive_says_how_to_begin(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        page = visitor.get("/lineage")
        assert page.status_code == 200
        assert "evolvent evolve SUITE" in page.text
        assert visitor.get("/lineage/abc").status_code == 409


def test_the_tree_has_each_program_below_its_parent(served: Served) -> None:
    ids = grow_archive(served.runtime, 30)
    with browser(served, served.token("read")) as visitor:
        page = visitor.get("/lineage").text
    chart = re.search('data-chart="lineage" data-values="([^"]*)"', page)
    assert chart
    rows = json.loads(html.unescape(chart[1]))
    assert {row["id"] for row in rows} == set(ids)
    known = {v.id: v.parents for v in served.runtime.evolution.tables.variants()}
    drawn = set()
    for row in rows:
        assert (row["above"],) == known[row["id"]] or (row["above"], known[row["id"]]) == ("", ())
        assert row["above"] in drawn | {""}
        drawn.add(row["id"])
    assert [row["id"] for row in rows if row["active"]] == [served.runtime.evolution.genomes.active()]


def test_of_a_large_archive_a_part_is_drawn_and_the_rest_is_counted(served: Served) -> None:
    grow_archive(served.runtime, 90)
    with browser(served, served.token("read")) as visitor:
        page = visitor.get("/lineage?most=20").text
        assert "70 others are left out" in page
        assert visitor.get("/lineage?most=1001").status_code == 422


def test_a_program_shows_its_hypothesis_and_what_it_changed(served: Served) -> None:
    ids = grow_archive(served.runtime, 21)
    with browser(served, served.token("read")) as visitor:
        page = visitor.get(f"/lineage/{ids[20][:12]}").text
        for text in ("It looks twice 20", "the gain is real", '<span class="add">+Rule 20.', "task_agent.py"):
            assert text in page
        seed = visitor.get(f"/lineage/{ids[0]}").text
        assert "It is a seed" in seed
        other = visitor.get(f"/lineage/{ids[20]}?against={ids[0][:10]}").text
        assert f'What changed since <a href="/lineage/{ids[0]}">' in other
        assert visitor.get("/lineage/ffffffffff").status_code == 404


def test_what_a_model_wrote_is_text(served: Served) -> None:
    (_, made) = grow_archive(served.runtime, 2, say="<img src=x onerror=alert(1)> \x1b[31m' \"")
    with browser(served, served.token("read")) as visitor:
        for path in ("/lineage", f"/lineage/{made}"):
            page = visitor.get(path).text
            assert "<img src=x" not in page
            assert "&lt;img src=x" in page
            assert "\x1b" not in page
            assert "onerror=alert(1)&gt;" in page


def test_promoting_and_rolling_back(served: Served) -> None:
    ids = grow_archive(served.runtime, 21)
    active = served.runtime.evolution.genomes.active
    before = active()
    with browser(served, served.token("admin")) as visitor:
        form = {"csrf": csrf_of(visitor, "/lineage"), "because": "I have read it"}
        done = visitor.post(f"/lineage/{ids[3]}/promote", data=form)
        assert (done.status_code, done.headers["location"]) == (303, f"/lineage/{ids[3]}")
        assert active() == ids[3]
        assert served.runtime.services.genome == dict(served.runtime.evolution.genomes.files(ids[3]))
        assert "Roll back" in visitor.get(f"/lineage/{ids[3]}").text
        assert visitor.post("/lineage/rollback", data=form).status_code == 303
        assert active() == before
        last = served.runtime.ledger.newest("variant.promoted", 1)[0]
        assert isinstance(last, VariantPromoted)
        assert (last.by, last.reason) == ("person", "I have read it")
        again = visitor.post(f"/lineage/{before}/promote", data=form)
        assert again.status_code == 409
        assert "active program already" in again.text


@pytest.mark.parametrize("scope", ["read", "submit"])
def test_who_may_not_decide_sees_no_button_and_is_refused(served: Served, scope: str) -> None:
    ids = grow_archive(served.runtime, 21)
    before = served.runtime.evolution.genomes.active()
    with browser(served, served.token(scope)) as visitor:
        form = {"csrf": csrf_of(visitor, "/lineage")}
        for path in ("/lineage", f"/lineage/{ids[3]}"):
            page = visitor.get(path).text
            assert "Promote" not in page.replace("Promotions", "")
            assert "Roll back" not in page
        assert visitor.post(f"/lineage/{ids[3]}/promote", data=form).status_code == 403
        assert visitor.post("/lineage/rollback", data=form).status_code == 403
    assert served.runtime.evolution.genomes.active() == before


def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(served: Served) -> None:
    ids = grow_archive(served.runtime, 21)
    before = served.runtime.evolution.genomes.active()
    with browser(served, served.token("admin")) as visitor:
        path, form = f"/lineage/{ids[3]}/promote", {"csrf": csrf_of(visitor, "/lineage")}
        assert visitor.post(path).status_code == 403
        assert visitor.post(path, data={"csrf": "0" * 64}).status_code == 403
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        assert visitor.post(path, data=form, headers=elsewhere).status_code == 403
        assert visitor.get(path).status_code == 405
    assert served.runtime.evolution.genomes.active() == before


def test_one_that_is_not_viable_says_why_and_cannot_be_promoted(served: Served) -> None:
    ids = grow_archive(served.runtime, 3)
    evolution = served.runtime.evolution
    program = {**served.runtime.services.genome, "prompts/answer.md": "x\n"}
    made = evolution.genomes.add(program, (ids[0],), "worse")
    bad = StoredVariant(
        made, evolution.genomes.tree(made), (ids[0],), 1, "e", "meta-agent", "worse", False, "it loops"
    )
    evolution.tables.add_variants([bad])
    with browser(served, served.token("admin")) as visitor:
        page = visitor.get(f"/lineage/{made}").text
        assert "it loops" in page
        assert "Promote" not in page
        refused = visitor.post(f"/lineage/{made}/promote", data={"csrf": csrf_of(visitor, "/lineage")})
        assert refused.status_code == 409
