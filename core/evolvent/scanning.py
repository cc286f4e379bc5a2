"""A look at the words of a skill or a lesson: instructions to an agent that reads it, and secrets, have no place there.

What is found is refused, not cleaned: prose that was admitted once would be read into prompts for good.
"""

from __future__ import annotations

import re

__all__ = ["scan_prose"]

_SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "an API key": r"\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{20,}",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{40,}",
    "an AWS key id": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a password": r"(?i)\b(?:password|passwd|api[_-]?key|secret)\s*[:=]\s*['\"]?[^\s'\"<{]{8,}",
    "credentials in an address": r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@",
}
_INJECTIONS = {
    "tells the reader to drop its instructions": (
        r"(?i)\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|system|your)\b"
        r"[^.\n]{0,30}\b(?:instructions?|prompts?|rules?|guidelines?|messages?)\b"
    ),
    "gives the reader another role": (
        r"(?i)\byou are now\b|\bfrom now on,? you\b|\bact as (?:an? )?(?:root|admin|system)"
    ),
    "speaks as a system or tool message": (
        r"(?im)^\s*(?:system|assistant|developer)\s*:|<\|?(?:im_start|im_end|system|endoftext)\|?>|\[/?INST\]"
    ),
    "asks to hide something from the user": (
        r"(?i)\b(?:do not|don't|never)\b[^.\n]{0,20}\b(?:tell|inform|mention|reveal)\b"
        r"[^.\n]{0,30}\b(?:user|human|operator)\b"
    ),
    "asks to send data away": (
        r"(?i)\b(?:send|post|upload|exfiltrate|forward)\b[^.\n]{0,60}\b(?:https?://|webhook|pastebin|e-?mail to)"
    ),
    "asks to run a download": r"(?i)\b(?:curl|wget)\b[^\n]{0,200}\|\s*(?:ba|z)?sh\b",
}
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
"""Characters that people do not see and models read: zero width, direction overrides, tags."""


def scan_prose(*texts: str) -> list[str]:
    """Return the reasons to refuse texts; empty when there are none.

    Args:
        texts: whatever of a skill or a lesson may reach a prompt.
    """
    text = "\n".join(texts)
    reasons = [f"holds {what}" for what, pattern in _SECRETS.items() if re.search(pattern, text)]
    for what, pattern in _INJECTIONS.items():
        found = re.search(pattern, text)
        if found:
            reasons.append(f"{what}: {found.group(0).strip()[:80]!r}")
    hidden = _HIDDEN.search(text)
    if hidden:
        reasons.append(f"holds invisible characters such as U+{ord(hidden.group(0)):04X}")
    return reasons
