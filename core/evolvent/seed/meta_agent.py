"""How to learn from attempts: write a skill as code, check it on the examples at hand, or keep a lesson.

How this program itself is improved stands in `improve.py`.
"""

import re
from difflib import SequenceMatcher
from pathlib import Path

import template
from improve import propose

SYSTEM = (Path(__file__).parent / "prompts" / "write_skill.md").read_text().strip()
FORBIDDEN = re.compile(r"\b(eval|exec|compile|open|input|__import__)(?=\()")
"""Calls that admission refuses; the model hears of one when it has used it."""
ROUNDS = ((0.2, 0.8, 0.8), (0.5, 0.8, 0.8), (0.8, 0.8, 0.8), (0.5, 0.8, 0.8))
"""The temperatures at which each round's request is asked."""
PLAN = (
    "Begin with a comment: which separators the input has, which steps lead to the answer, how it is joined."
)
HINTS = (
    "Is it upper and lower case?",
    "Is it white space, punctuation or an empty part?",
    "Is it the order, a sign, a duplicate, rounding, or the form of the answer?",
)


def learn(attempts, ctx):
    """Return {"skill": {...}} or {"lesson": {...}} or None.

    Each attempt holds `task` (id, prompt, inputs), `answer`, and `verdict` (score, passed, feedback,
    expected). Expected answers are there because these are train tasks.
    """
    known = [a for a in attempts if a["verdict"] and a["verdict"]["expected"] is not None]
    skill = write_skill(known, ctx) if len(known) >= ctx.parameters["examples_shown"] + 2 else None
    if skill:
        return {"skill": skill}
    failed = [a for a in attempts if a["verdict"] and not a["verdict"]["passed"] and a["answer"] is not None]
    return {"lesson": lesson_from(failed[-1])} if failed else None


def improve(parent, history, ctx):
    """Return {"hypothesis": text, "edits": [...]}, a change of this program's own files, or None.

    `parent` holds id, files, score, trials, failures (task, answer, verdict), problems (with earlier proposals) and
    budget; each entry of `history` what was tried and what it did: hypothesis, operator, files, outcome, score,
    parent_score.
    """
    return propose(parent, history, ctx)


def write_skill(examples, ctx):
    """Ask for `solve` until it agrees with every example, and return it as a proposal, or None.

    Each round asks one request several times: an embedded model reads an unchanged prompt only once. What the
    best try so far got wrong leads the next round (counterexample-guided synthesis). Code that gets some cases
    right is repaired in every other round. Code that gets none right is thrown away, because a small model copies
    what it is shown; in place of a repair the round asks for a plan first. Examples change from round to round.
    """
    questions = [e["task"]["prompt"] for e in examples]
    anchors = template.induce(questions)
    cases = [(call_arguments(anchors, q), e) for q, e in zip(questions, examples)]
    best, best_failures, best_rank = "", [], (0, 0.0)
    number, banned, shown = 0, set(), ctx.parameters["examples_shown"]
    for turn, temperatures in enumerate(ROUNDS[: ctx.parameters["rounds"]]):
        near = best_rank[0] > 0
        hardest = [case for case, _, _ in best_failures] if near else []
        messages = first_request(
            anchors, telling_cases(cases, hardest, turn, shown), plan=bool(turn % 2) and not near
        )
        if near and turn % 2:
            messages += repair_request(best, best_failures, HINTS[turn // 2 % len(HINTS)])
        if banned:
            messages[-1]["content"] += f"\nDo not use {', '.join(sorted(banned))}: it is not allowed."
        for temperature in temperatures:
            number += 1
            reply = ctx.model.complete(
                messages,
                temperature=temperature,
                max_tokens=ctx.parameters["code_tokens"],
                seed=ctx.seed + number,
            )
            code = code_block(reply.text)
            refused = set(FORBIDDEN.findall(code))
            if refused:
                banned |= refused
                ctx.log(f"try {number}: uses {', '.join(sorted(refused))}, which admission refuses")
                continue
            failures = run_cases(code, cases, ctx)
            if not failures:
                return proposal(anchors, code, examples)
            right = len(cases) - len(failures)
            ctx.log(f"try {number}: {right} of {len(cases)} right; {failures[0][1]}"[:280])
            rank = (right, sum(closeness for _, _, closeness in failures))
            if not best or rank > best_rank:
                best, best_failures, best_rank = code, failures, rank
    return None


def telling_cases(cases, hardest, turn, shown):
    """Return `shown` examples: those that were got wrong, then others, with different answers first.

    Where to begin differs from round to round: a small model that is stuck on some examples is not on others.
    """
    start = turn * shown % len(cases)
    order = [*hardest, *[c for c in [*cases[start:], *cases[:start]] if c not in hardest]]
    chosen, answers = [], set()
    for case in order:
        answer = str(case[1]["verdict"]["expected"])
        if answer not in answers:
            answers.add(answer)
            chosen.append(case)
    return [*chosen, *[c for c in order if c not in chosen]][:shown]


def call_arguments(anchors, question):
    """Return what `solve` gets for a question: the varying parts, or the whole text."""
    return template.slots(anchors, question) if anchors else [question]


def parameter_names(anchors):
    """Return one name for each argument of `solve`."""
    count = len(anchors) - 1 if anchors else 1
    if not anchors:
        return ["question"]
    return ["text"] if count == 1 else [f"part{i + 1}" for i in range(count)]


def first_request(anchors, cases, plan=False):
    """Return the messages that ask for the function; `plan` asks to think in a comment first."""
    names = parameter_names(anchors)
    example = cases[0][1]
    lines = [
        "Questions of one kind look like this one:",
        '"""',
        example["task"]["prompt"].strip(),
        '"""',
        f"Its correct answer: {example['verdict']['expected']}",
        "",
    ]
    signature = f"def solve({', '.join(name + ': str' for name in names)}) -> str:"
    if anchors:
        lines.append("The parts that vary are already cut out and passed as strings. Write")
    else:
        lines.append("Write")
    lines += [signature, "that returns the correct answer as a string, in exactly this form:"]
    lines += [call_text(arguments, e) for arguments, e in cases]
    if plan:
        lines.append(PLAN)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def call_text(arguments, example):
    """Return one example as a call with its result."""
    return f"solve({', '.join(map(repr, arguments))}) == {str(example['verdict']['expected'])!r}"


def code_block(text):
    """Return the code of a reply: the fenced block that defines `solve`, or what follows its first line of code."""
    blocks = re.findall(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", text, re.DOTALL)
    code = next((block for block in blocks if "def solve" in block), "")
    if not code:
        begin = re.search(r"^(?:import |from |def )", text, re.MULTILINE)
        code = text[begin.start() :].split("```")[0] if begin else text
    lines = code.strip().splitlines()
    while lines and re.match(r"(print\(|assert |solve\(|#)", lines[-1]):
        lines.pop()
    return "\n".join(lines).strip()


def run_cases(code, cases, ctx):
    """Run the code on every example.

    Returns [(case, what went wrong, closeness), ...] for those that it got wrong; closeness in [0, 1] is the
    similarity of the returned text to the expected one.
    """
    results = ctx.run_python(code, "solve", [arguments for arguments, _ in cases])
    failures = []
    for case, result in zip(cases, results):
        arguments, example = case
        closeness = 0.0
        if result["outcome"] != "value":
            problem = f"failed with {result['error'] or result['outcome']}"
        elif agrees(result["value"], example, ctx):
            continue
        else:
            expected, got = str(example["verdict"]["expected"])[:500], str(result["value"])[:500]
            closeness = SequenceMatcher(None, expected, got, autojunk=False).ratio()
            problem = f"returned {result['value']!r}"
        remark = f"{call_text(arguments, example)} is correct, but your function {problem[:300]}"
        failures.append((case, remark, closeness))
    return failures


def agrees(value, example, ctx):
    """Tell whether a value is the expected answer, or one that the task's evaluator takes as well."""
    if value is None:
        return False
    if str(value) == str(example["verdict"]["expected"]):
        return True
    return ctx.tools.call("judge", {"task_id": example["task"]["id"], "answer": str(value)})["passed"]


def repair_request(code, failures, hint):
    """Return the messages that show what the code got wrong."""
    remarks = [remark for _, remark, _ in failures[:2]]
    if hint:
        remarks.append(f"Other cases are right, so only a detail is missing. {hint}")
    remarks.append("Write the whole corrected function.")
    return [
        {"role": "assistant", "content": f"```python\n{code}\n```"},
        {"role": "user", "content": "\n".join(remarks)},
    ]


def proposal(anchors, code, examples):
    """Return the skill as the kernel wants it: name, description, body, script, sources."""
    prompt = examples[0]["task"]["prompt"]
    words = re.findall(r"[a-z]+", (" ".join(anchors) if anchors else prompt).lower())
    telling = [w for w in words if w not in STOP_WORDS and len(w) > 2]
    name = "-".join(list(dict.fromkeys(telling))[:5])[:56].strip("-") or "learned-skill"
    wording = " … ".join(" ".join(a.split()) for a in anchors).strip() if anchors else prompt
    description = f"Answers questions of the form: {wording}"[:900] + " Use it for exactly such questions."
    example_lines = [
        f"- {' '.join(e['task']['prompt'].split())[:300]} → {e['verdict']['expected']}" for e in examples[:2]
    ]
    body = "\n".join(
        [
            "# When to use",
            "",
            f"For questions of this form: {wording}",
            "",
            "# Examples",
            "",
            *example_lines,
            "",
            "# How",
            "",
            "`scripts/solve.py` defines `solve(question)`. It returns the answer, or None when the question is of",
            "another kind.",
        ]
    )
    return {
        "name": name,
        "description": description,
        "body": body,
        "script": script(anchors, code),
        "sources": [e["task"]["id"] for e in examples],
    }


def script(anchors, code):
    """Return a module whose `solve(question)` recognises its questions before it answers."""
    inner = re.sub(r"\bsolve\b", "_compute", code)
    if anchors:
        match = [
            f"_PATTERN = re.compile({template.pattern_text(anchors)!r}, re.DOTALL | re.IGNORECASE)",
            "",
            "",
            "def solve(question: str):",
            '    """Return the answer, or None when the question is of another kind."""',
            "    match = _PATTERN.fullmatch(question)",
            "    if match is None:",
            "        return None",
            "    result = _compute(*match.groups())",
        ]
    else:
        match = [
            "def solve(question: str):",
            '    """Return the answer, or None when the question cannot be parsed."""',
            "    result = _compute(question)",
        ]
    return "\n".join(
        ["import re", "", inner, "", "", *match, "    return None if result is None else str(result)", ""]
    )


def lesson_from(attempt):
    """Return what the next attempt at such a task should know: one worked example."""
    prompt = " ".join(attempt["task"]["prompt"].split())
    return {
        "text": f"Example: {prompt[-160:]} Answer: {str(attempt['verdict']['expected'])[:120]}",
        "situation": attempt["task"]["prompt"],
        "kind": "example",
    }


STOP_WORDS = frozenset(
    """the a an of to in is are this that these those and or for with as by be it its your you how many what which
    give only final answer answers result following below please now find there from order do does on at if solve
    provide return write example problem question task""".split()
)
