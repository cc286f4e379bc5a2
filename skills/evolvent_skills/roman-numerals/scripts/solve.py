"""Roman numerals to numbers and back, in the standard subtractive notation, from 1 to 3999."""

import re

SYMBOLS = [
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
]  # fmt: skip
TO_ROMAN = re.compile(
    r"(?:convert|write|express|what is) (?:the number )?(?P<number>[1-9]\d{0,3}) "
    r"(?:(?:in|to|into|as) )(?:an? )?roman numerals?[.?]?",
    re.IGNORECASE,
)
FROM_ROMAN = re.compile(
    r"(?:convert|write|express|what is) (?:the )?(?:roman numeral )(?P<roman>[MDCLXVI]+) "
    r"(?:(?:in|to|into|as) )(?:an? )?(?:arabic |decimal )?(?:number|integer|numeral|digits)s?[.?]?",
    re.IGNORECASE,
)


def to_roman(number):
    text = ""
    for value, symbol in SYMBOLS:
        text += symbol * (number // value)
        number %= value
    return text


def from_roman(text):
    """Return the number, or None when the text is not in standard notation."""
    number, rest = 0, text
    for value, symbol in SYMBOLS:
        while rest.startswith(symbol):
            number += value
            rest = rest[len(symbol) :]
    return number if not rest and 0 < number < 4000 and to_roman(number) == text else None


def solve(question):
    text = " ".join(question.split())
    match = TO_ROMAN.fullmatch(text)
    if match:
        number = int(match["number"])
        return to_roman(number) if number < 4000 else None
    match = FROM_ROMAN.fullmatch(text)
    if match:
        number = from_roman(match["roman"].upper())
        return None if number is None else str(number)
    return None


if __name__ == "__main__":  # python scripts/solve.py "question": the answer, or status 3 when not applicable
    import json
    import sys

    _answer = solve(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read())
    if _answer is None:
        sys.exit(3)
    print(_answer if isinstance(_answer, str) else json.dumps(_answer, ensure_ascii=False))
