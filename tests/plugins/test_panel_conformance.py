"""`check_panel` passes good panels and catches wrong ones."""

import time

import pytest

from evolvent.testing import check_panel
from evolvent.types import PanelData


class Runs:
    title = "Runs"

    def show(self, view):
        rows = tuple((e.run_id, e.status, e.usage.tokens) for e in view.events("run.finished", limit=20))
        return PanelData(columns=("run", "status", "tokens"), rows=rows, note=f"{len(view.skills())} skills")


def test_a_good_panel_conforms_in_less_than_two_seconds():
    started = time.perf_counter()
    check_panel(Runs())
    assert time.perf_counter() - started < 2


class NoTitle(Runs):
    title = ""


class LongTitle(Runs):
    title = "Runs\nand more"


class Ragged(Runs):
    def show(self, view):
        return PanelData(columns=("kind", "run"), rows=tuple((e.kind,) for e in view.events(limit=9)))


class Averages(Runs):
    def show(self, view):
        events = view.events("run.finished")
        solved = sum(e.status == "solved" for e in events) / len(events)
        return PanelData(columns=("solved",), rows=((solved,),))


class NotFinite(Runs):
    def show(self, view):
        return PanelData(columns=("solved",), rows=((float("nan"),),))


class TooMany(Runs):
    def show(self, view):
        return PanelData(columns=("run",), rows=tuple((e.run_id,) for e in view.events()))


class Slow(Runs):
    def show(self, view):
        time.sleep(0.6)
        return super().show(view)


class ReadsTheDatabase(Runs):
    def show(self, view):
        return view.database.execute("select 1")


class Changes(Runs):
    def show(self, view):
        view.events().clear()
        return super().show(view)


class Text(Runs):
    def show(self, view):
        return "3 runs"


class SameColumn(Runs):
    def show(self, view):
        return PanelData(columns=("run", "run"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (NoTitle, "the title is ''"),
        (LongTitle, "must be one line"),
        (Ragged, "must be as wide"),
        (Averages, "an empty home raised ZeroDivisionError"),
        (NotFinite, "a number must be finite"),
        (TooMany, "500 runs raised ValidationError"),
        (Slow, "must take milliseconds"),
        (ReadsTheDatabase, "raised AttributeError"),
        (Changes, "raised AttributeError"),
        (Text, "must return a PanelData"),
        (SameColumn, "a name of its own"),
    ],
)
def test_a_wrong_panel_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words):
        check_panel(wrong())
