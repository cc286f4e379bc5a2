"""The look at a script before anything runs."""

import pytest

from evolvent.library.hard_coded import known_answers
from evolvent.library.script import standalone
from evolvent.library.static_scan import scan_script
from evolvent.types import Task

HONEST = {
    "regex": "import re\n\ndef solve(question):\n    m = re.search(r'(\\d+)', question)\n"
    "    return m.group(1) if m else None\n",
    "class with methods": "class Box:\n    def __init__(self, x):\n        self.x = x\n"
    "    def __lt__(self, other):\n        return self.x < other.x\n\ndef solve(question):\n    return None\n",
    "submodule": "import collections.abc\nfrom collections import Counter\n\ndef solve(q):\n"
    "    return str(Counter(q).most_common(1)) if isinstance(q, collections.abc.Sized) else None\n",
    "defaults": "def solve(question, limit=5, *, strict=False):\n    return question[:limit]\n",
    "table of number words": "WORDS = {"
    + ", ".join(f"'word{n}': {n}" for n in range(120))
    + "}\n\ndef solve(question):\n    return WORDS.get(question)\n",
    "getattr with a public name": "import math\n\ndef solve(q):\n    return getattr(math, 'pi', None)\n",
    "standalone": standalone("def solve(question):\n    return None\n"),
}

REFUSED = {
    "no solve": ("x = 1\n", "defines no top-level function solve"),
    "nested solve": ("def main():\n    def solve(q): return q\n", "defines no top-level function solve"),
    "no argument": ("def solve():\n    return 1\n", "exactly one required argument"),
    "two arguments": ("def solve(a, b):\n    return a\n", "exactly one required argument"),
    "required keyword": ("def solve(a, *, b):\n    return a\n", "exactly one required argument"),
    "async": ("async def solve(q):\n    return q\n", "plain function"),
    "generator": ("def solve(q):\n    yield q\n", "plain function"),
    "syntax": ("def solve(q)\n    return q\n", "line 1: does not parse"),
    "null byte": ("def solve(q):\n    return '\0'\n", "does not parse"),
    "os": ("import os\ndef solve(q): return os.name\n", "importing 'os' is not allowed"),
    "from subprocess": ("from subprocess import run\ndef solve(q): return 1\n", "'subprocess'"),
    "ctypes": ("import ctypes\ndef solve(q): return 1\n", "'ctypes'"),
    "import in a function": ("def solve(q):\n    import socket\n    return 1\n", "'socket'"),
    "relative": ("from . import x\ndef solve(q): return 1\n", "'.'"),
    "star": ("from math import *\ndef solve(q): return 1\n", r"importing '\*'"),
    "random": ("import random\ndef solve(q): return random.random()\n", "'random'"),
    "module in a module": ("import json\ndef solve(q): return json.codecs.open('x')\n", "json.codecs"),
    "module from a module": ("from json import codecs\ndef solve(q): return 1\n", "'json.codecs'"),
    "aliased module": ("import re as r\ndef solve(q): return r.enum.sys\n", "re.enum"),
    "eval": ("def solve(q): return eval(q)\n", "eval is not allowed"),
    "aliased exec": ("run = exec\ndef solve(q): return run(q)\n", "exec is not allowed"),
    "open": ("def solve(q): return open('/etc/passwd').read()\n", "open is not allowed"),
    "input": ("def solve(q): return input()\n", "input is not allowed"),
    "import by name": ("def solve(q): return __import__('os')\n", "__import__ is not allowed"),
    "class walk": (
        "def solve(q): return q.__class__.__base__.__subclasses__()\n",
        "__class__ is not allowed",
    ),
    "globals of a function": ("def solve(q): return solve.__globals__\n", "__globals__ is not allowed"),
    "builtins": ("def solve(q): return __builtins__\n", "__builtins__ is not allowed"),
    "getattr built up": ("def solve(q): return getattr(q, '__cla' + 'ss__')\n", "literal public name"),
    "getattr private": ("def solve(q): return getattr(q, '__class__')\n", "is allowed only with|special"),
    "format string": ("def solve(q): return '{0.__class__}'.format(q)\n", "names a special attribute"),
    "defines open": ("def open(x): return x\ndef solve(q): return open(q)\n", "open is not allowed"),
    "metaclass trick": (
        "class A:\n    def __getattribute__(self, n): return 1\ndef solve(q): return 1\n",
        "__getattribute__",
    ),
    "huge table": (f"T = {list(range(600))}\ndef solve(q): return T[0]\n", "600 constants"),
    "too large": ("# " + "x" * 100_000 + "\ndef solve(q): return 1\n", "bytes; allowed"),
    "deep nesting": ("def solve(q): return " + "(" * 5_000 + ")" * 5_000 + "\n", "parse|nested"),
    "deep chain": ("def solve(q): return " + "-" * 50_000 + "1\n", "parse|nested"),
}


@pytest.mark.parametrize("case", HONEST)
def test_an_honest_script_passes(case):
    assert scan_script(HONEST[case]) == []


@pytest.mark.parametrize("case", REFUSED)
def test_a_script_that_no_skill_needs_is_refused_with_the_reason(case):
    source, reason = REFUSED[case]
    reasons = scan_script(source)
    assert reasons
    assert any(__import__("re").search(reason, text) for text in reasons), reasons


KNOWN = [(f"Spell this word backward: {w}", w[::-1]) for w in ("ammonia", "bicycle", "cathedral", "dolphin")]


@pytest.mark.parametrize(
    "source",
    [
        f"A = {dict(KNOWN)!r}\ndef solve(question):\n    return A.get(question)\n",
        "A = {'ammonia': 'ainomma', 'bicycle': 'elcycib', 'dolphin': 'nihplod'}\n"
        "def solve(question):\n    return A.get(question.split()[-1])\n",
        "def solve(question):\n    if 'ammonia' in question:\n        return 'ainomma'\n"
        "    if question.endswith('cathedral'):\n        return 'lardehtac'\n    return None\n",
    ],
    ids=["whole questions", "parts of questions", "branches"],
)
def test_reciting_known_answers_is_refused(source):
    assert any("recites the answers" in reason for reason in scan_script(source, KNOWN))


def test_sharing_the_wording_of_all_questions_is_not_reciting():
    source = (
        "def solve(question):\n    prefix = 'Spell this word backward: '\n"
        "    return question[len(prefix):][::-1] if question.startswith(prefix) else None\n"
    )
    assert scan_script(source, KNOWN) == []
    numbers = [(f"What is {a} times {b}?", str(a * b)) for a, b in ((2, 3), (1, 10), (5, 1))]
    assert scan_script("def solve(q):\n    return 10 if 'What is ' in q and 6 else 5\n", numbers) == []


def test_one_worked_example_is_tolerated():
    source = "EXAMPLE = ('ammonia', 'ainomma')\ndef solve(question):\n    return question[::-1]\n"
    assert scan_script(source, KNOWN) == []


def test_known_answers_are_read_from_references_that_show_one():
    tasks = [
        Task(prompt="a", reference="x "),
        Task(prompt="b", reference={"answer": 3, "metadata": {}}),
        Task(prompt="c", reference={"tests": "assert"}),
        Task(prompt="d", reference=None),
    ]
    assert known_answers(tasks) == [("a", "x"), ("b", "3")]
