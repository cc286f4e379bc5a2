"""What the page Progress sums up."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.daemon.api.serving import Served
from tests.daemon.dashboard.grown import grow_archive, grow_days
from tests.daemon.dashboard.looking import browser

from evolvent.daemon.api.history import History
from evolvent.storage import Ledger, open_database
from evolvent.types import RunFinished, SkillDecided, SkillMoved, SkillState, Usage, VariantPromoted


def test_it_says_what_to_do_where_there_is_nothing_yet(served: Served) -> None:
    with browser(served, served.token("read")) as visitor:
        page = visitor.get("/progress")
    assert page.status_code == 200
    for text in ("No candidate has come to the gate yet", "has not changed yet", "evolvent submit"):
        assert text in page.text


def test_it_shows_each_test_at_the_gate_with_its_interval(served: Served) -> None:
    ids = grow_archive(served.runtime, 41)
    with browser(served, served.token("read")) as visitor:
        page = visitor.get("/progress").text
    chart = re.search('data-chart="gate" data-values="([^"]*)"', page)
    assert chart
    points = json.loads(html.unescape(chart[1]))
    assert [point["number"] for point in points] == list(range(1, 9))
    assert [point["accepted"] for point in points] == [False, False, False, True] * 2
    for point in points:
        assert 0 <= point["low"] <= point["score"] <= point["high"] <= 1
    accepted = [point for point in points if point["accepted"]]
    assert accepted[0]["href"] == f"/lineage/{ids[20]}"
    assert page.count(f'href="/lineage/{ids[20]}"') >= 3  # in the table, as promoted, and as the one before
    assert "0.667" in page  # its sealed score


def test_a_day_that_goes_on_is_read_on_and_not_again(served: Served) -> None:
    grow_days(served.runtime, 3)
    with browser(served, served.token("read")) as visitor:
        first = visitor.get("/progress").text
        today = datetime.now(UTC).date().isoformat()
        served.runtime.ledger.append(
            SkillDecided(key="new", name="n", digest="0" * 8, admitted=True, reason="")
        )
        second = visitor.get("/progress").text
    before, after = (_row(page, today) for page in (first, second))
    assert [new - old for old, new in zip(before, after, strict=True)] == [0, 0, 0, 1, 0, 0, 0]


def test_an_unknown_context_shows_the_newest(served: Served) -> None:
    grow_archive(served.runtime, 6)
    with browser(served, served.token("read")) as visitor:
        assert visitor.get("/progress?context=nothing").status_code == 200
        assert visitor.get("/progress?context=" + "x" * 17).status_code == 422


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.sampled_from(["solved", "failed", "answered", "budget", "finished"])),
        st.tuples(st.just("decided"), st.booleans()),
        st.tuples(st.just("moved"), st.sampled_from(list(SkillState))),
        st.tuples(st.just("promoted"), st.sampled_from(["gate", "person", "seed"])),
        st.tuples(st.just("look"), st.none()),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_EVENTS)
def test_sums_are_those_of_all_events_however_often_it_is_looked_at(events: list[tuple[str, object]]) -> None:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "evolvent.db")
        ledger, history, at = Ledger(engine), History(engine), datetime(2026, 11, 22, tzinfo=UTC)
        for number, (what, value) in enumerate(events):
            key = f"e{number}"
            if what == "run":
                usage = Usage(input_tokens=7, output_tokens=3)
                ledger.append(RunFinished(key=key, run_id=key, at=at, status=str(value), usage=usage))
            elif what == "decided":
                ledger.append(
                    SkillDecided(key=key, at=at, name="n", digest="d", admitted=bool(value), reason="")
                )
            elif what == "moved":
                ledger.append(
                    SkillMoved(
                        key=key,
                        at=at,
                        name="n",
                        digest="d",
                        before=SkillState.ACTIVE,
                        after=SkillState(value),
                        by="person",
                        reason="",
                    )
                )
            elif what == "promoted":
                ledger.append(VariantPromoted(key=key, at=at, variant="v", before="", by=value))  # type: ignore[arg-type]
            else:
                history.days(1)
        days, seen = history.days(10), [pair for pair in events if pair[0] != "look"]
        engine.dispose()
    judged = sum(pair in (("run", "solved"), ("run", "failed"), ("run", "budget")) for pair in seen)
    solved = seen.count(("run", "solved"))
    assert len(days) == bool(seen)
    if not days:
        return
    (day,) = days
    assert (day.judged, day.solved, day.tokens) == (judged, solved, 10 * judged)
    assert day.tokens_per_solved == (10 * judged / solved if solved else None)
    assert (day.admitted, day.refused) == (seen.count(("decided", True)), seen.count(("decided", False)))
    assert day.retired == sum(
        seen.count(("moved", state)) for state in (SkillState.RETIRED, SkillState.QUARANTINED)
    )
    assert day.promoted == seen.count(("promoted", "gate")) + seen.count(("promoted", "person"))


def _row(page: str, day: str) -> list[float]:
    row = re.search(f'<tr><th scope="row">{day}</th>(.*?)</tr>', page, re.DOTALL)
    assert row
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1])
    return [float(cell.replace(",", "")) for cell in cells]
