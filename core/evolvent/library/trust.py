"""`trust.toml`: what skills from where may do here.

    [[origin]]
    match = "git:https://github.com/example/*"   # of the origin, with * and ?; the first that fits counts
    keys = ["RWQ..."]                            # minisign keys, one of which must have signed the skill
    tools = ["python"]                           # what `allowed-tools` of the skill may name
    prose = true                                 # a skill without a script may be used without a person's word
    refuse = false

Without a file, or without a rule that fits, nothing need be signed, no tools may be named, and a skill without a script
waits for `evolvent skills trust`: prose goes into prompts, and no test can judge it.
"""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field, ValidationError

from evolvent.errors import UsageError
from evolvent.types import Frozen

__all__ = ["TrustPolicy", "TrustRule", "load_trust"]


class TrustRule(Frozen):
    """What skills of an origin may do."""

    match: str = "*"
    keys: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    prose: bool = False
    refuse: bool = False


class TrustPolicy(Frozen):
    """The rules, in the order in which they are looked at."""

    origin: tuple[TrustRule, ...] = Field(default=())

    def rule_for(self, origin: str) -> TrustRule:
        """Return the first rule that fits, or the strict default."""
        return next((rule for rule in self.origin if fnmatchcase(origin, rule.match)), TrustRule())


def load_trust(path: Path) -> TrustPolicy:
    """Read the policy; without a file the default.

    Raises:
        UsageError: it is not TOML, or says something that is not known.
    """
    if not path.exists():
        return TrustPolicy()
    try:
        return TrustPolicy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path.name} cannot be read: {error}") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise UsageError(f"{path.name}: {place}: {fault['msg']} (given: {fault['input']!r})") from error
