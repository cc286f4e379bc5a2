"""Does a script hide what it says? Encoded texts, texts that are put together from numbers, and addresses."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from evolvent.syntax import nodes_of

__all__ = ["hidden_texts", "script_texts"]

ENCODED = re.compile(r"(?:[0-9a-fA-F]{2}){32,}|[A-Za-z0-9+/_-]{64,}={0,2}")
ENCODED_BITS = 3.5
"""Bits a character from which on a long run without spaces is no word; text in English has about 2.5 to 3."""
ESCAPES = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|N\{)")
MAX_ESCAPES = 24
NETWORK = {
    "an address": re.compile(r"\b(?:https?|ftp|wss?|ssh|smtp)://(?=[\w\[])", re.IGNORECASE),
    "an IP address": re.compile(
        r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"
    ),
    "the name of a module that reaches out": re.compile(
        r"\b(?:urllib|http\.client|httplib|socket|requests\.(?:get|post)|ftplib|smtplib|telnetlib|subprocess|os\.system"
        r"|popen|ctypes)\b"
    ),
}


def hidden_texts(tree: ast.Module, source: str) -> Iterator[str]:
    """Yield a reason for each text that is encoded, assembled from numbers, or names the network."""
    lists = {
        target.id: node.value
        for node in nodes_of(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and _numbers(node.value) >= 4
    }
    lines = re.split(r"\r\n|\r|\n", source)
    for node in nodes_of(tree):
        line = f"line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            # Looking a text up in the source takes as long as the source is long: only where it may have escapes.
            escaped = any("\\" in text for text in lines[node.lineno - 1 : node.end_lineno])
            yield from _constant(node, source if escaped else "", line)
        elif isinstance(node, ast.Call):
            yield from _assembled(node, lists, line)
        elif isinstance(node, ast.GeneratorExp | ast.ListComp) and _calls_chr(node.elt):
            source_of = node.generators[0].iter
            if _numbers(source_of) >= 4 or (isinstance(source_of, ast.Name) and source_of.id in lists):
                yield f"{line}: puts a text together from numbers; write the text"
        elif isinstance(node, ast.BinOp) and sum(_constant_chr(part) for part in _summands(node)) >= 3:
            yield f"{line}: puts a text together from numbers; write the text"


def script_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts of a script, those that are joined from constants whole: what its answers could say."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
            yield node.value[::-1]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            yield "".join(_text(part) for part in _summands(node))
        elif isinstance(node, ast.JoinedStr):
            yield "".join(_text(part) for part in node.values)
        elif isinstance(node, ast.List | ast.Tuple):
            words = [_text(item) for item in node.elts]
            yield " ".join(words)
            yield "".join(words)


def _constant(node: ast.Constant, source: str, line: str) -> Iterator[str]:
    text = node.value.decode("latin-1") if isinstance(node.value, bytes) else str(node.value)
    for run in ENCODED.findall(text):
        hexadecimal = re.fullmatch(r"[0-9a-fA-F]+", run) and not run.isdigit() and not run.isalpha()
        if hexadecimal or (_bits(run) > ENCODED_BITS and (re.search(r"\d", run) or len(set(run)) > 26)):
            yield f"{line}: holds {len(run)} characters that look encoded; a skill says plainly what it does"
            break
    written = (ast.get_source_segment(source, node) or "") if source else ""
    if len(ESCAPES.findall(written)) > MAX_ESCAPES:
        yield f"{line}: a text of more than {MAX_ESCAPES} escaped characters; write them as they are"
    for what, pattern in NETWORK.items():
        found = pattern.search(text)
        if found:
            yield f"{line}: names {what} ({found.group(0)!r}); a skill has no network"


def _assembled(node: ast.Call, lists: dict[str, ast.expr], line: str) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "fromhex" or (
        name == "decode"
        and isinstance(node.func, ast.Attribute)
        and (isinstance(node.func.value, ast.Constant) or _makes_bytes(node.func.value, lists))
    ):
        yield f"{line}: decodes a text of its own; write the text"
    elif name == "map" and len(node.args) == 2 and getattr(node.args[0], "id", "") == "chr":
        numbers = node.args[1]
        if _numbers(numbers) >= 4 or (isinstance(numbers, ast.Name) and numbers.id in lists):
            yield f"{line}: puts a text together from numbers; write the text"


def _makes_bytes(node: ast.expr, lists: dict[str, ast.expr]) -> bool:
    if not (
        isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"bytes", "bytearray"} and node.args
    ):
        return False
    given = node.args[0]
    return _numbers(given) >= 4 or (isinstance(given, ast.Name) and given.id in lists)


def _numbers(node: ast.expr) -> int:
    """Return how many numbers a literal holds; none for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes):
        return len(node.value)
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return 0
    return sum(isinstance(item, ast.Constant) and isinstance(item.value, int) for item in node.elts)


def _calls_chr(node: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Call) and getattr(part.func, "id", "") == "chr" for part in ast.walk(node)
    )


def _constant_chr(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and _calls_chr(node)
        and all(isinstance(a, ast.Constant) for a in node.args)
    )


def _summands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_summands(node.left), *_summands(node.right)]
    return [node]


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else " "


def _bits(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())
