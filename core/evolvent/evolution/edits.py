"""Edits of an agent program, as a meta agent proposes them: checked, applied, and explained when they do not fit."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence

from evolvent.evolution.blocks import EditError, parse_blocks
from evolvent.evolution.surface import is_mutable, mutable_paths
from evolvent.types import JsonValue

__all__ = ["MAX_CHARS", "MAX_EDITS", "EditError", "apply_edits", "parse_blocks"]

MAX_EDITS = 50
MAX_CHARS = 500_000
"""Characters of all texts of a proposal together."""
MAX_HYPOTHESIS = 10_000
LOOKED_AT = 5_000
"""Lines of a file among which the nearest to a missing text are looked for."""
SHOWN = 12
"""Lines that an error quotes at most."""
FORMS = (
    '{"path", "search", "replace"} to replace a text that occurs once, {"path", "content"} for a whole file, '
    'or {"path", "delete": true}'
)


def apply_edits(files: Mapping[str, str], proposal: JsonValue) -> tuple[dict[str, str], str]:
    """Return the edited files and the hypothesis.

    Edits are applied in their order, each to what the one before it left. Where the searched text does not occur, one
    that differs only in the white space at the ends of its lines is taken.

    Args:
        files: the parent's files: relative path to text.
        proposal: what `improve` returned: `{"hypothesis": text, "edits": [...]}`.

    Raises:
        EditError: it is malformed, too large, does not fit the files, or changes nothing.
    """
    if not isinstance(proposal, dict):
        raise EditError(f'the proposal must be {{"hypothesis": text, "edits": [...]}}, not {proposal!r:.80}')
    hypothesis, edits = proposal.get("hypothesis", ""), proposal.get("edits")
    if not isinstance(hypothesis, str):
        raise EditError(f"the hypothesis must be a text, not {hypothesis!r:.80}")
    if not isinstance(edits, list) or not edits:
        raise EditError(f"'edits' must be a list of at least one edit: {FORMS}; not {edits!r:.80}")
    if len(edits) > MAX_EDITS:
        raise EditError(f"{len(edits)} edits are too many; at most {MAX_EDITS}")
    texts = [
        value for edit in edits if isinstance(edit, dict) for value in edit.values() if isinstance(value, str)
    ]
    total = sum(map(len, texts))
    if total > MAX_CHARS:
        raise EditError(f"the edits have {total} characters; at most {MAX_CHARS}")
    after = dict(files)
    for number, edit in enumerate(edits, 1):
        try:
            _apply(after, edit)
        except EditError as error:
            raise EditError(f"edit {number} of {len(edits)}: {error}") from None
    if after == dict(files):
        raise EditError("the edits change nothing: every file is as it was; propose a real change")
    return after, _clean(hypothesis)[:MAX_HYPOTHESIS]


def _apply(files: dict[str, str], edit: JsonValue) -> None:
    if not isinstance(edit, dict) or not isinstance(edit.get("path"), str):
        raise EditError(f"{edit!r:.80} has no path; an edit is {FORMS}")
    path, rest = str(edit["path"]), {key: value for key, value in edit.items() if key != "path"}
    if not is_mutable(path):
        raise EditError(f"{path!r:.80} is outside of what may be changed: {mutable_paths()}")
    apply = _FORMS.get(frozenset(rest))
    if apply is None:
        raise EditError(f"it has {sorted(rest)!r:.200} beside its path; an edit is {FORMS}")
    for key, value in rest.items():
        if key != "delete" and not isinstance(value, str):
            raise EditError(f"{key!r} must be a text, not {value!r:.80}")
        if isinstance(value, str) and value != _clean(value):
            raise EditError(f"{key!r} holds a NUL character or half of a surrogate pair; a file cannot")
    apply(files, path, rest)


def _delete(files: dict[str, str], path: str, edit: Mapping[str, JsonValue]) -> None:
    if edit["delete"] is not True:
        raise EditError(f"'delete' must be true, not {edit['delete']!r:.80}")
    if path not in files:
        raise EditError(f"{path!r} cannot be deleted, it is not there; there are {', '.join(sorted(files))}")
    del files[path]


def _write(files: dict[str, str], path: str, edit: Mapping[str, JsonValue]) -> None:
    files[path] = str(edit["content"])


def _replace(files: dict[str, str], path: str, edit: Mapping[str, JsonValue]) -> None:
    if path not in files:
        raise EditError(
            f"{path!r} is not there, so nothing can be searched in it; there are {', '.join(sorted(files))}; "
            "a new file needs its content"
        )
    text, search, replace = files[path], str(edit["search"]), str(edit["replace"])
    if not search.strip():
        raise EditError("the search text is empty; quote the lines to replace, as they stand in the file")
    places = _places(text, search) or _loose_places(text, search)
    if not places:
        raise EditError(f"the search text does not occur in {path!r}. {_nearest(text, search)}")
    if len(places) > 1:
        lines = ", ".join(str(text.count("\n", 0, begin) + 1) for begin, _ in places[:10])
        raise EditError(
            f"the search text occurs {len(places)} times in {path!r} (lines {lines}); it must occur once: "
            "quote more lines around the right place"
        )
    begin, end = places[0]
    files[path] = text[:begin] + replace + text[end:]


_Form = Callable[[dict[str, str], str, Mapping[str, JsonValue]], None]
_FORMS: dict[frozenset[str], _Form] = {
    frozenset({"search", "replace"}): _replace,
    frozenset({"content"}): _write,
    frozenset({"delete"}): _delete,
}


def _places(text: str, search: str) -> list[tuple[int, int]]:
    places, begin = [], text.find(search)
    while begin >= 0:
        places.append((begin, begin + len(search)))
        begin = text.find(search, begin + 1)
    return places


def _loose_places(text: str, search: str) -> list[tuple[int, int]]:
    """Return where whole lines are the searched ones but for white space at their ends."""
    wanted = [line.rstrip() for line in search.strip("\r\n").split("\n")]
    lines = text.split("\n")
    stripped = [line.rstrip() for line in lines]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    last = len(lines) - len(wanted)
    found = [
        at
        for at in range(last + 1)
        if stripped[at] == wanted[0] and stripped[at : at + len(wanted)] == wanted
    ]
    ends = "\n" if search.endswith("\n") else ""
    return [(starts[at], min(starts[at + len(wanted)] - (0 if ends else 1), len(text))) for at in found]


def _nearest(text: str, search: str) -> str:
    """Quote the lines that resemble the searched ones most."""
    lines = text.split("\n")[:LOOKED_AT]
    wanted = search.strip("\n").split("\n")
    telling = max(range(len(wanted)), key=lambda n: len(wanted[n].strip()))
    likeness = [_likeness(line, wanted[telling]) for line in lines]
    best = max(range(len(lines)), key=likeness.__getitem__)
    if likeness[best] < 0.3:
        return f"Nothing in it is like that; its first lines are:\n{_quoted(lines, 0, SHOWN)}"
    begin = max(0, best - min(telling, SHOWN // 2))
    count = min(max(len(wanted), 3), SHOWN)
    return f"The nearest lines are:\n{_quoted(lines, begin, count)}"


def _likeness(line: str, wanted: str) -> float:
    matcher = difflib.SequenceMatcher(None, line.strip()[:200], wanted.strip()[:200], autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > 0.3 and matcher.quick_ratio() > 0.3 else 0.0


def _quoted(lines: Sequence[str], begin: int, count: int) -> str:
    return "\n".join(f"{begin + n + 1}: {line[:200]}" for n, line in enumerate(lines[begin : begin + count]))


def _clean(text: str) -> str:
    """Return a text without what a file cannot hold."""
    return text.encode("utf-8", "ignore").decode().replace("\0", "")
