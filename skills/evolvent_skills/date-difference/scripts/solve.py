"""Days between two calendar dates in ISO 8601 form (proleptic Gregorian calendar)."""

import datetime
import re

ISO = r"(\d{4}-\d{2}-\d{2})"
BETWEEN = re.compile(
    rf"(?:how many days (?:are there |are |lie )?between|"
    rf"(?:what is |give |compute |calculate )?the number of days between) {ISO} and {ISO}[.?]?",
    re.IGNORECASE,
)
FROM_TO = re.compile(
    rf"how many days (?:is it |are there |pass )?from {ISO} (?:to|until) {ISO}[.?]?", re.IGNORECASE
)


def day(text):
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def solve(question):
    text = " ".join(question.split())
    between, from_to = BETWEEN.fullmatch(text), FROM_TO.fullmatch(text)
    match = between or from_to
    if not match:
        return None
    first, second = day(match[1]), day(match[2])
    if first is None or second is None:
        return None
    days = (second - first).days
    if from_to and days < 0:
        return None
    return str(abs(days))


if __name__ == "__main__":  # python scripts/solve.py "question": the answer, or status 3 when not applicable
    import json
    import sys

    _answer = solve(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read())
    if _answer is None:
        sys.exit(3)
    print(_answer if isinstance(_answer, str) else json.dumps(_answer, ensure_ascii=False))
