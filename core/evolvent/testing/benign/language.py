"""Ordinary programs: what the language itself offers."""


def generates_lazily():
    def fibonacci():
        a, b = 0, 1
        while True:
            yield a
            a, b = b, a + b

    def evens(numbers):
        for number in numbers:
            if number % 2 == 0:
                yield number

    stream = evens(fibonacci())
    return [next(stream) for _ in range(12)]


def talks_to_a_generator():
    def averager():
        total, count, average = 0.0, 0, None
        while True:
            number = yield average
            total, count = total + number, count + 1
            average = total / count

    average = averager()
    next(average)
    return [average.send(number) for number in (10, 20, 60)]


def closes_over_variables():
    def counter():
        count = 0

        def increase(by=1):
            nonlocal count
            count += by
            return count

        return increase

    first, second = counter(), counter()
    return [first(), first(5), second(), first()]


def inherits_and_overloads():
    class Vector:
        def __init__(self, *parts):
            self.parts = parts

        def __add__(self, other):
            return type(self)(*(a + b for a, b in zip(self.parts, other.parts)))

        def __eq__(self, other):
            return self.parts == other.parts

        def __repr__(self):
            return f"{type(self).__name__}{self.parts}"

    class Point(Vector):
        @property
        def length(self):
            return sum(part**2 for part in self.parts) ** 0.5

    point = Point(1, 2) + Point(2, 2)
    return [repr(point), point.length, point == Point(3, 4)]


def describes_data_with_classes():
    from dataclasses import asdict, dataclass, field, replace

    @dataclass(order=True, frozen=True)
    class Item:
        price: int
        name: str = ""
        tags: list = field(default_factory=list, compare=False)

    items = sorted([Item(3, "pen", ["blue"]), Item(1, "clip"), replace(Item(2, "pad"), price=5)])
    return [asdict(item) for item in items]


def matches_patterns_of_data():
    def describe(value):
        match value:
            case {"kind": "circle", "radius": radius}:
                return f"circle of {radius}"
            case [first, *_, last]:
                return f"from {first} to {last}"
            case int() | float() if value < 0:
                return "negative"
            case str(text):
                return text.upper()
            case _:
                return "something"

    return [describe(v) for v in ({"kind": "circle", "radius": 2}, [1, 2, 3], -4, "abc", None)]


def handles_exceptions():
    steps = []

    def divide(a, b):
        try:
            return a / b
        except ZeroDivisionError as error:
            raise ValueError("no divisor") from error
        finally:
            steps.append("finally")

    steps.append(divide(6, 3))
    try:
        divide(1, 0)
    except ValueError as error:
        steps += [str(error), type(error.__cause__).__name__]
    return steps


def groups_exceptions():
    caught = []
    try:
        raise ExceptionGroup("several", [ValueError("a"), KeyError("b"), TypeError("c")])
    except* (ValueError, TypeError) as group:
        caught.append([type(error).__name__ for error in group.exceptions])
    except* KeyError as group:
        caught.append(len(group.exceptions))
    return caught


def manages_contexts():
    import contextlib

    events = []

    @contextlib.contextmanager
    def stage(name):
        events.append(f"open {name}")
        try:
            yield name
        finally:
            events.append(f"close {name}")

    with contextlib.ExitStack() as stack, contextlib.suppress(KeyError):
        names = [stack.enter_context(stage(name)) for name in ("a", "b")]
        {}[names[0]]
    return events


def enumerates_values():
    from enum import Enum, Flag, auto

    class Colour(Enum):
        RED = "r"
        GREEN = "g"

    class Right(Flag):
        READ = auto()
        WRITE = auto()

    both = Right.READ | Right.WRITE
    return [Colour("g").name, [c.value for c in Colour], both.value, Right.READ in both]


def checks_protocols_and_types():
    from typing import NamedTuple, Protocol, get_type_hints, runtime_checkable

    @runtime_checkable
    class Sized(Protocol):
        def size(self) -> int: ...

    class Box(NamedTuple):
        width: int
        height: int = 2

        def size(self) -> int:
            return self.width * self.height

    return [isinstance(Box(3), Sized), Box(3).size(), list(get_type_hints(Box)), Box(1)._asdict()]


def copies_deeply():
    import copy

    original = {"a": [1, {"b": 2}]}
    original["self"] = original
    shallow, deep = copy.copy(original), copy.deepcopy(original)
    original["a"][1]["b"] = 3
    return [shallow["a"][1]["b"], deep["a"][1]["b"], deep["self"] is deep]


def formats_text():
    number, name = 1234567.891, "Ada"
    return [
        f"{number:,.2f}|{number:>15.1e}|{255:#06x}|{0.256:.1%}",
        f"{name!r:*^11}",
        "{0}-{1[key]}-{0}".format("x", {"key": "y"}),
        "%05d %s %.3f" % (42, name, 2 / 3),
        "tschüß".upper().casefold(),
    ]


def normalises_unicode_and_emoji():
    import unicodedata

    composed, decomposed = "\u00e9", "e\u0301"
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    return [
        composed == decomposed,
        composed == unicodedata.normalize("NFC", decomposed),
        unicodedata.name("\U0001f40d"),
        [len(family), len(family.encode()), family],
        "".join(reversed("日本語")),
    ]


def evaluates_literals_and_code():
    import ast

    value = ast.literal_eval("{'a': [1, 2.5, None], 'b': (True, b'x')}")
    names = {}
    exec(compile("def double(x):\n    return 2 * x\n", "<made>", "exec"), names)
    tree = ast.parse("a + b * c", mode="eval")
    letters = sorted(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    return [value["a"], names["double"](21), letters]


def unpacks_and_comprehends():
    first, *middle, last = range(6)
    pairs = {letter: index for index, letter in enumerate("abcab")}
    grid = [[row * column for column in range(1, 4)] for row in range(1, 4)]
    merged = {**pairs, "z": 9} | {"a": -1}
    return [first, middle, last, merged, [list(row) for row in zip(*grid)], [n for n in range(20) if n % 7]]


def decorates_functions():
    import functools

    calls = []

    def traced(prefix):
        def decorate(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                calls.append(f"{prefix}{function.__name__}{args}")
                return function(*args, **kwargs)

            return wrapper

        return decorate

    @traced("> ")
    def add(a, b=1):
        return a + b

    return [add(2), add(2, b=5), add.__name__, calls]
