"""Find what is constant in several questions of one kind, and what varies.

Questions of one kind usually share their wording. Aligning them yields the wording as anchors and the varying
parts as slots (wrapper induction, Kushmerick 1997, on tokens). A skill built on such a template knows exactly
which questions are its own, and its code gets clean arguments in place of a whole text to parse.
"""

import re
from difflib import SequenceMatcher

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")


def induce(questions):
    """Return the anchors [text, text, ...] between which the slots lie, or None if there is no template.

    The first and the last anchor are prefix and suffix and may be empty.
    """
    questions = list(dict.fromkeys(questions))
    if len(questions) < 3:
        return None
    rows = [TOKEN.findall(q) for q in questions]
    prefix = _common_prefix(rows)
    suffix = _common_prefix([row[prefix:][::-1] for row in rows])
    head = rows[0][:prefix]
    tail = rows[0][len(rows[0]) - suffix :] if suffix else []
    middles = [row[prefix : len(row) - suffix] for row in rows]
    anchors = _keep_brackets_whole(["".join(head), *_inner_anchors(middles), "".join(tail)])
    if not any(re.search(r"[^\W\d]{2}", a) for a in anchors):
        return None
    pattern = compile_pattern(anchors)
    if not all(pattern.fullmatch(q) for q in questions):
        return None
    return anchors


def pattern_text(anchors):
    """Return the regular expression, as text, whose groups are the slots.

    It is as tolerant as it can be without taking questions of another kind: white space may differ, and an
    example in brackets may be missing.
    """
    return "(.*?)".join(_tolerant(anchor) for anchor in anchors)


def compile_pattern(anchors):
    """Return the compiled pattern; letters match in either case."""
    return re.compile(pattern_text(anchors), re.DOTALL | re.IGNORECASE)


def _tolerant(anchor):
    parts = []
    for piece in re.split(r"(\s*\((?:example|e\.g\.)[^()]*\))", anchor, flags=re.IGNORECASE):
        example = re.match(r"\s*\((?:example|e\.g\.)", piece, re.IGNORECASE)
        words = re.split(r"(\s+)", piece.strip() if example else piece)
        text = "".join(r"\s+" if word.isspace() else re.escape(word) for word in words)
        parts.append(rf"(?:\s*{text})?" if example else text)
    return re.sub(r"^\\s\+|\\s\+$", lambda _: r"\s*", "".join(parts))


def slots(anchors, question):
    """Return the varying parts of one question, or None when it is not of this kind."""
    match = compile_pattern(anchors).fullmatch(question)
    return list(match.groups()) if match else None


def _common_prefix(rows):
    length = 0
    for column in zip(*rows):
        if len(set(column)) > 1:
            break
        length += 1
    return length


def _keep_brackets_whole(anchors):
    """Give brackets at the rim of a slot back to it, so that a list or an expression stays whole."""
    opened = [re.sub(r"[\[({][^\w\s]*$", "", a) for a in anchors[:-1]] + anchors[-1:]
    return opened[:1] + [re.sub(r"^[^\w\s]*[\])}]", "", a) for a in opened[1:]]


def _inner_anchors(rows):
    """Return the runs of tokens that all rows share, in order; a run must hold a word to count."""
    runs = [rows[0]]
    for row in rows[1:]:
        runs = _shared_runs(runs, row)
    found = []
    for run in runs:
        text = "".join(run)
        if len(run) >= 3 and re.search(r"[^\W\d]{2}", text):
            found.append(text)
    return found


def _shared_runs(runs, row):
    """Cut `runs` down to what `row` holds too, in the same order."""
    kept, start = [], 0
    for run in runs:
        rest = row[start:]
        block = SequenceMatcher(None, run, rest, autojunk=False).find_longest_match()
        if block.size:
            kept.append(run[block.a : block.a + block.size])
            start += block.b + block.size
    if len(kept) == 1 and len(runs) == 1:
        # The longest shared run splits the row; what stands on its two sides may be shared as well.
        block = SequenceMatcher(None, runs[0], row, autojunk=False).find_longest_match()
        left = SequenceMatcher(None, runs[0][: block.a], row[: block.b], autojunk=False)
        right = SequenceMatcher(
            None, runs[0][block.a + block.size :], row[block.b + block.size :], autojunk=False
        )
        before = [runs[0][b.a : b.a + b.size] for b in left.get_matching_blocks() if b.size]
        offset = block.a + block.size
        after = [runs[0][offset + b.a : offset + b.a + b.size] for b in right.get_matching_blocks() if b.size]
        kept = [*before, kept[0], *after]
    return kept
