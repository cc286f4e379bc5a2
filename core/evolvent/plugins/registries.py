"""One registry for each kind of thing that plugins can bring."""

from __future__ import annotations

from typing import Any

from evolvent.errors import ContractViolation
from evolvent.plugins.registry import Registry
from evolvent.plugins.tool_registry import ToolRegistry
from evolvent.protocols import (
    Check,
    CurriculumFactory,
    EmbedderFactory,
    Evaluator,
    ExecutorFactory,
    ModelProvider,
    OperatorFactory,
    Panel,
    PolicyFactory,
    SandboxFactory,
    StrategyFactory,
    SuiteFactory,
)

__all__ = ["Registries"]


class CommandRegistry(Registry[Any]):
    """Takes functions, typer's apps, and where to import one from."""

    def _keep(self, plugin: str, name: str, item: Any) -> None:
        if not callable(item) and not (isinstance(item, str) and item.count(":") == 1):
            raise ContractViolation(
                plugin,
                f"registered {type(item).__name__} {item!r:.80} as the command {name!r}; "
                "give a function, a typer.Typer, or 'module:name' of one",
            )
        super()._keep(plugin, name, item)


class Registries:
    """What plugins registered, by kind and name."""

    def __init__(self) -> None:
        self.models: Registry[ModelProvider] = Registry(
            "model provider", members=("create", "models", "pull")
        )
        self.embedders: Registry[EmbedderFactory] = Registry("embedder")
        self.evaluators: Registry[Evaluator] = Registry("evaluator", members=("evaluate",))
        self.suites: Registry[SuiteFactory] = Registry("suite")
        self.sandboxes: Registry[SandboxFactory] = Registry("sandbox")
        self.tools = ToolRegistry("tool", members=("build",))
        self.strategies: Registry[StrategyFactory] = Registry("strategy")
        self.curricula: Registry[CurriculumFactory] = Registry("curriculum")
        self.executors: Registry[ExecutorFactory] = Registry("executor")
        self.policies: Registry[PolicyFactory] = Registry("policy")
        self.operators: Registry[OperatorFactory] = Registry("mutation operator")
        self.commands = CommandRegistry("command", members=("__class__",))
        self.panels: Registry[Panel] = Registry("panel", members=("title", "show"))
        self.state_keys: Registry[str] = Registry("state key", members=("isidentifier",))
        self.checks: Registry[Check] = Registry("self-check")

    def registries(self) -> dict[str, Registry[Any]]:
        """Return the registry that each `register_…` hook fills."""
        return {f"register_{name}": item for name, item in vars(self).items() if isinstance(item, Registry)}
