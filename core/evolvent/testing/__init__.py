"""Doubles and conformance suites for plugin authors.

`ScriptedModel` stands in for a language model, `plugin_runtime` opens a runtime with it; the `assert_…`/`check_…`
functions say whether what a plugin brings keeps the contract of `evolvent.protocols`; `conformance_of` runs them
over everything that a `PluginHost` has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolvent.first_use import first_use

if TYPE_CHECKING:
    from evolvent.testing.curriculum_conformance import check_curriculum
    from evolvent.testing.embedder_conformance import check_embedder
    from evolvent.testing.evaluator_conformance import check_evaluator
    from evolvent.testing.executor_conformance import check_executor
    from evolvent.testing.model_conformance import check_chat_model, check_model_provider
    from evolvent.testing.operator_conformance import check_operator
    from evolvent.testing.panel_conformance import check_panel
    from evolvent.testing.plugin_checks import PluginCheck, conformance_of
    from evolvent.testing.policy_conformance import check_policy
    from evolvent.testing.runtimes import plugin_runtime
    from evolvent.testing.sandbox_conformance import assert_conforms, check_sandbox
    from evolvent.testing.scripted_model import ScriptedModel
    from evolvent.testing.strategy_conformance import check_strategy
    from evolvent.testing.suite_conformance import check_suite
    from evolvent.testing.tool_conformance import check_tool

__all__ = [
    "PluginCheck",
    "ScriptedModel",
    "assert_conforms",
    "check_chat_model",
    "check_curriculum",
    "check_embedder",
    "check_evaluator",
    "check_executor",
    "check_model_provider",
    "check_operator",
    "check_panel",
    "check_policy",
    "check_sandbox",
    "check_strategy",
    "check_suite",
    "check_tool",
    "conformance_of",
    "plugin_runtime",
]

_HOMES = {
    "PluginCheck": "plugin_checks",
    "ScriptedModel": "scripted_model",
    "assert_conforms": "sandbox_conformance",
    "check_chat_model": "model_conformance",
    "check_model_provider": "model_conformance",
    "conformance_of": "plugin_checks",
    "plugin_runtime": "runtimes",
}
"""Modules of the names that are not in `<kind>_conformance`."""

__getattr__ = first_use(  # LangChain is not needed to check a sandbox
    __name__,
    {
        name: f"evolvent.testing.{_HOMES.get(name, name.removeprefix('check_') + '_conformance')}"
        for name in __all__
    },
)
