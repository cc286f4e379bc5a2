"""Doubles and conformance suites for plugin authors.

`ScriptedModel` stands in for a language model; the `assert_…`/`check_…` functions say whether a plugin's sandbox,
model provider, evaluator, suite or embedder keeps the contract of `evolvent.protocols`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolvent.testing.runtimes import plugin_runtime
    from evolvent.testing.scripted_model import ScriptedModel

__all__ = ["ScriptedModel", "plugin_runtime"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: LangChain is not needed to check a sandbox."""
    if name == "ScriptedModel":
        from evolvent.testing.scripted_model import ScriptedModel

        return ScriptedModel
    if name == "plugin_runtime":
        from evolvent.testing.runtimes import plugin_runtime

        return plugin_runtime
    raise AttributeError(f"module 'evolvent.testing' has no attribute {name!r}")
