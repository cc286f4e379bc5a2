"""How to improve this program: show a model one file and what went wrong, and read its change.

A small model is asked for little: one file, or one function of a long file, and few failures. A prompt comes back
whole; code comes back as a block to search and replace, or as whole functions, which it writes more reliably.
"""

import ast
import random
import re
from pathlib import Path

SYSTEM = (Path(__file__).parent / "prompts" / "improve.md").read_text().strip()
LONG = 3500
"""Characters from which on only a function of a file is shown."""
LIKELY = {
    "prompts/answer.md": 4.0,
    "task_agent.py": 4.0,
    "genome.toml": 0.0,
    "select_parent.py": 0.2,
    "template.py": 0.2,
}
"""How likely a change of a file is to help, before anything was tried; files that are not named have 0.5."""
BLOCK = re.compile(
    r"<{5,9} ?SEARCH[^\n]*\n(.*?)^={5,9}[ \t]*\n(.*?)^>{5,9} ?REPLACE", re.DOTALL | re.MULTILINE
)
TAGGED = re.compile(r"<instruction>(.*?)</instruction>", re.DOTALL)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
CODE_FORM = """Change a few lines of it. Copy the lines to change exactly, then write what replaces them. Keep the
names and arguments of functions. Use this form:
<<<<<<< SEARCH
lines of the file
=======
new lines
>>>>>>> REPLACE
Then one line that begins with "Hypothesis:" and says why the new lines help."""
TEXT_FORM = """Write a better instruction for the assistant in its place: plain English sentences, at most 100 words,
that say how to find such answers and in exactly which form to give them. Reply in this form:
<instruction>the whole new instruction</instruction>
Hypothesis: why it helps"""
NO_BLOCK = "it is not in the form that was asked for."


def propose(parent, history, ctx):
    """Return {"hypothesis": text, "edits": [...]}, or None when no reply can be used."""
    path = responsible_file(parent, history, random.Random(ctx.seed))
    messages = request(path, parent, history, random.Random(ctx.seed))
    for number in range(ctx.parameters["improve_tries"]):
        reply = ctx.model.complete(
            messages,
            temperature=ctx.parameters["improve_temperature"],
            max_tokens=ctx.parameters["improve_tokens"],
            seed=ctx.seed + number,
        )
        edit, problem = read_edit(path, parent["files"][path], reply.text)
        if edit:
            return {"hypothesis": hypothesis_of(reply.text, path), "edits": [edit]}
        ctx.log(f"{path}: {problem}"[:280])
        messages = [
            *messages[:2],
            {"role": "assistant", "content": reply.text[:3000]},
            {"role": "user", "content": f"That cannot be used: {problem} Reply again, in the same form."},
        ]
    return None


def responsible_file(parent, history, rng):
    """Draw the file to change: rather one where failures come from, and where few changes failed before."""
    broken = sum(f["answer"] is None for f in parent["failures"])
    paths, weights = [], []
    for path in sorted(parent["files"]):
        weight = LIKELY.get(path, 0.5)
        if path == "task_agent.py" and broken > len(parent["failures"]) / 2:
            weight *= 4
        useless = [h for h in history if path in h["files"] and (h["score"] or 0) <= (h["parent_score"] or 0)]
        paths.append(path)
        weights.append(weight / (1 + len(useless)))
    return rng.choices(paths, weights)[0] if any(weights) else rng.choice(paths)


def request(path, parent, history, rng):
    """Return the messages that ask for a change of a file."""
    text = parent["files"][path]
    part = one_function(text, rng) if path.endswith(".py") and len(text) > LONG else text[: 2 * LONG]
    if path.endswith(".md"):
        lines = ["The assistant's present instruction:", f"<instruction>{part.strip()}</instruction>"]
    else:
        whole = "The file" if part == text else "A part of the file"
        lines = [f"{whole} {path}, by which the assistant works:", "```", part.rstrip(), "```"]
    lines += ["", "Questions that were answered wrongly:", *map(failure_text, telling(parent["failures"]))]
    tried = [h for h in history if path in h["files"]][-4:]
    if tried:
        lines += ["", "Tried before; do something else:", *map(tried_text, tried)]
    problems = [f"An earlier reply could not be used: {problem[:600]}" for problem in parent["problems"][-1:]]
    lines += ["", *problems, CODE_FORM if path.endswith((".py", ".toml")) else TEXT_FORM]
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "\n".join(lines)}]


def one_function(text, rng):
    """Return the source of one top-level function of a long file."""
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    found = [source for f in functions if len(source := ast.get_source_segment(text, f)) <= LONG]
    return rng.choice(found) if found else text[:LONG]


def telling(failures):
    """Return up to three failures; those with different remarks first."""
    seen = {}
    for failure in failures:
        seen.setdefault(str((failure["verdict"] or {}).get("feedback"))[:40], failure)
    rest = [f for f in failures if not any(f is s for s in seen.values())]
    return [*seen.values(), *rest][:3]


def failure_text(failure):
    """Return a failure in few words: the question, the answer, and what was expected."""
    verdict = failure["verdict"] or {}
    lines = [f"- Question: {shortened(failure['task']['prompt'], 500)}"]
    lines.append(f"  The wrong answer: {shortened(str(failure['answer']), 240)}")
    if verdict.get("expected") is not None:
        lines.append(f"  The right answer: {shortened(str(verdict['expected']), 160)}")
    elif verdict.get("feedback"):
        lines.append(f"  What was wrong: {shortened(verdict['feedback'], 240)}")
    return "\n".join(lines)


def tried_text(entry):
    """Return what an earlier change did."""
    scores = f"{entry['parent_score'] or 0:.2f} -> {entry['score'] or 0:.2f}"
    return f"- {shortened(entry['hypothesis'], 160)} (score {scores}, {entry['outcome']})"


def shortened(text, limit):
    """Return a text with its middle left out where it is too long."""
    text = text.strip()
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]} … {text[-half:]}"


def hypothesis_of(reply, path):
    """Return the sentence behind `Hypothesis:`, or the last line of words, where reasons come."""
    found = re.search(r"(?:hypothesis|why it helps)\W*[:\n]\s*(.+)", reply, re.IGNORECASE)
    words = [
        line for line in BLOCK.sub("", FENCE.sub("", TAGGED.sub("", reply))).splitlines() if line.strip()
    ]
    said = found[1] if found else (words or [f"another {path}"])[-1]
    return said.strip(" *_`")[:500]


def read_edit(path, text, reply):
    """Return (edit, ""), or (None, what is wrong with the reply)."""
    code = path.endswith(".py")
    block = BLOCK.search(reply)
    fenced = max(FENCE.findall(reply), key=len, default="")
    if path.endswith(".md"):
        return read_instruction(path, text, TAGGED.search(reply), fenced)
    if block and block[1].strip():
        search, replace = block[1].strip("\n"), block[2].strip("\n")
        if text.count(search) == 1:
            edit = {"path": path, "search": search, "replace": replace}
            return checked(edit, text.replace(search, replace), text, code)
        if not (code and "def " in replace):
            return None, "the SEARCH lines do not stand in the file exactly once. Copy whole lines from it."
        fenced = replace
    if not fenced.strip():
        return None, NO_BLOCK
    changed = with_functions(text, fenced) if code else fenced
    if changed is None:
        return None, "the code does not parse, or has no function of this file."
    return checked({"path": path, "content": changed}, changed, text, code)


def read_instruction(path, text, tagged, fenced):
    """Return (edit, "") for the words between the tags, or else in the fence."""
    words = tagged[1].strip() if tagged else fenced.strip()
    if not words:
        return None, NO_BLOCK
    if re.search(r"^(def|import|from|class) |<<<<<<<", words, re.MULTILINE):
        return None, "an instruction is plain English, without any code."
    return checked({"path": path, "content": words + "\n"}, words, text, code=False)


def checked(edit, changed, text, code):
    """Return (edit, "") when it changes the file and leaves it readable."""
    if changed.strip() == text.strip():
        return None, "it changes nothing."
    if code:
        try:
            ast.parse(changed)
        except (SyntaxError, ValueError) as error:
            return None, f"after the change the file does not parse: {error}."
    return edit, ""


def with_functions(text, code):
    """Return the file with the functions that the code defines anew in place of the old ones; None without any."""
    try:
        old = {
            n.name: ast.get_source_segment(text, n)
            for n in ast.parse(text).body
            if isinstance(n, ast.FunctionDef)
        }
        new = {
            n.name: ast.get_source_segment(code, n)
            for n in ast.parse(code).body
            if isinstance(n, ast.FunctionDef)
        }
    except (SyntaxError, ValueError):
        return None
    if not old.keys() & new.keys():
        return None
    added = [source for name, source in new.items() if name not in old]
    for name in new.keys() & old.keys():
        text = text.replace(old[name], new[name], 1)
    return "\n\n\n".join([text.rstrip(), *added]) + "\n"
