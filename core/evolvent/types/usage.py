"""What work costs, and how much of it is allowed."""

from __future__ import annotations

from pydantic import Field

from evolvent.types._base import Frozen

__all__ = ["Budget", "Usage"]


class Usage(Frozen):
    """Resources that were used; adds up with `+`."""

    input_tokens: int = Field(default=0, ge=0)
    """Prompt tokens that the model was given."""
    output_tokens: int = Field(default=0, ge=0)
    """Tokens that the model wrote."""
    model_calls: int = Field(default=0, ge=0)
    """Completed model calls."""
    dollars: float = Field(default=0.0, ge=0)
    """Price of the calls in US dollars; 0 for local models."""
    seconds: float = Field(default=0.0, ge=0)
    """Wall-clock seconds."""

    @property
    def tokens(self) -> int:
        """Prompt and output tokens together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            model_calls=self.model_calls + other.model_calls,
            dollars=self.dollars + other.dollars,
            seconds=self.seconds + other.seconds,
        )


class Budget(Frozen):
    """Upper bounds for one run. None means unbounded.

    A spent budget ends a run with a result that says so (`status="budget"`), never with an exception.
    """

    attempts: int = Field(default=2, ge=1)
    """Tries at the task, the first one included."""
    tokens: int | None = Field(default=20_000, ge=0)
    """Prompt plus output tokens."""
    seconds: float | None = Field(default=600.0, ge=0)
    """Wall-clock seconds."""
    dollars: float | None = Field(default=None, ge=0)
    """US dollars."""
    requests: int = Field(default=1_000, ge=1)
    """Requests that the guest may make to the broker."""

    def spent_by(self, usage: Usage) -> str | None:
        """Return the name of the first bound that `usage` has reached, or None."""
        for name, used, limit in (
            ("tokens", usage.tokens, self.tokens),
            ("seconds", usage.seconds, self.seconds),
            ("dollars", usage.dollars, self.dollars),
        ):
            if limit is not None and used >= limit:
                return name
        return None
