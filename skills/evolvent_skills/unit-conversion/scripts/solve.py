"""Metric, imperial and US customary units of length, mass, volume and temperature, computed exactly."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

# Each unit in its dimension's base unit; the imperial factors are exact by definition (1959 agreement).
UNITS = {
    "length": {
        "mm millimeter millimetre": "0.001", "cm centimeter centimetre": "0.01", "m meter metre": "1",
        "km kilometer kilometre": "1000", "in inch inches": "0.0254", "ft foot feet": "0.3048",
        "yd yard": "0.9144", "mi mile": "1609.344",
    },
    "mass": {
        "mg milligram": "0.000001", "g gram": "0.001", "kg kilogram": "1", "tonne": "1000",
        "oz ounce": "0.028349523125", "lb pound": "0.45359237", "stone": "6.35029318",
    },
    "volume": {
        "ml milliliter millilitre": "0.001", "l liter litre": "1", "us gallon": "3.785411784",
        "us pint": "0.473176473", "imperial gallon": "4.54609", "imperial pint": "0.56826125",
    },
}  # fmt: skip
# Kelvin = (value + offset) * scale
TEMPERATURES = {"celsius": ("273.15", "1"), "fahrenheit": ("459.67", "5/9"), "kelvin": ("0", "1")}
NUMBER = r"(?P<number>-?\d+(?:\.\d+)?)"
UNIT = r"(?:degrees? )?(?P<{}>[a-z]+(?: [a-z]+)?)"
FORMS = [
    re.compile(
        rf"(?:please )?convert {NUMBER} {UNIT.format('source')} (?:to|into) {UNIT.format('target')}[.?]?"
    ),
    re.compile(
        rf"how many {UNIT.format('target')} (?:is|are|are in|is in) {NUMBER} {UNIT.format('source')}[.?]?"
    ),
    re.compile(rf"what is {NUMBER} {UNIT.format('source')} in {UNIT.format('target')}[.?]?"),
]


def lookup(name):
    """Return (dimension, factor) of a unit by symbol, name or plural, or None."""
    for dimension, units in UNITS.items():
        for names, factor in units.items():
            known = [names] if " " in names and names.split()[0] in {"us", "imperial"} else names.split()
            if any(name in {each, each + "s"} for each in known):
                return dimension, Fraction(factor)
    return None


def convert(number, source, target):
    if source in TEMPERATURES and target in TEMPERATURES:
        offset, scale = (Fraction(part) for part in TEMPERATURES[source])
        kelvin = (number + offset) * scale
        offset, scale = (Fraction(part) for part in TEMPERATURES[target])
        return None if kelvin < 0 else kelvin / scale - offset
    first, second = lookup(source), lookup(target)
    if first is None or second is None or first[0] != second[0] or number < 0:
        return None
    return number * first[1] / second[1]


def solve(question):
    text = " ".join(question.split()).lower()
    for form in FORMS:
        match = form.fullmatch(text)
        if match:
            value = convert(Fraction(match["number"]), match["source"], match["target"])
            return None if value is None else show(value)
    return None


def show(value):
    """Return the number with at most six decimals, without trailing zeros."""
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    text = format(exact.quantize(Decimal("0.000001"), rounding=ROUND_HALF_EVEN), "f").rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


if __name__ == "__main__":  # python scripts/solve.py "question": the answer, or status 3 when not applicable
    import json
    import sys

    _answer = solve(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read())
    if _answer is None:
        sys.exit(3)
    print(_answer if isinstance(_answer, str) else json.dumps(_answer, ensure_ascii=False))
