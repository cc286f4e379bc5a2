"""Text of others: nothing in it acts, nothing hides."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from evolvent.daemon.dashboard.visible import visible

ANY = st.text(st.characters(), max_size=200)


@given(ANY)
def test_nothing_hides(text: str) -> None:
    shown = visible(text)
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    assert [c for c in shown if unicodedata.category(c) in hidden and c not in "\n\t"] == []
    shown.encode()


@given(
    st.text(
        st.characters(categories=["L", "N", "P", "S", "M", "Zs"], include_characters="\n\t"), max_size=200
    )
)
def test_what_shows_itself_stays(text: str) -> None:
    assert visible(text) == text


def test_control_characters_are_written_out() -> None:
    assert visible("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert visible("a\u202eb\ud800\x9b\x7f") == "a\\u{202e}b\\u{d800}\\x9b\\x7f"
    assert visible("one\r\ntwo\rthree") == "one\ntwo\\x0dthree"
