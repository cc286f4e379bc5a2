"""Prices of a contract of one's own, in US dollars per million tokens."""

from evolvent import hookimpl

PRICES = {"openai:our-model": (0.10, 0.40)}


@hookimpl
def price_call(model, usage):
    if model not in PRICES:
        return None
    given, written = PRICES[model]
    return (usage.input_tokens * given + usage.output_tokens * written) / 1_000_000
