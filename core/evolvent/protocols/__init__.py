"""What can be swapped. Each protocol has a conformance suite in `evolvent.testing`."""

from evolvent.protocols.evolution import (
    MutationContext,
    MutationOperator,
    OperatorFactory,
    Policy,
    PolicyFactory,
)
from evolvent.protocols.judging import Evaluator, Suite, SuiteFactory
from evolvent.protocols.models import EmbedderFactory, ModelProvider
from evolvent.protocols.practice import Curriculum, CurriculumFactory, ExecutorFactory
from evolvent.protocols.sandbox import (
    FunctionServer,
    GuestHandler,
    Sandbox,
    SandboxBuilder,
    SandboxFactory,
    Session,
    VariableServer,
)
from evolvent.protocols.showing import Check, HomeView, Panel
from evolvent.protocols.solving import RegisterTool, Strategy, StrategyContext, StrategyFactory, ToolFactory

__all__ = [
    "Check",
    "Curriculum",
    "CurriculumFactory",
    "EmbedderFactory",
    "Evaluator",
    "ExecutorFactory",
    "FunctionServer",
    "GuestHandler",
    "HomeView",
    "ModelProvider",
    "MutationContext",
    "MutationOperator",
    "OperatorFactory",
    "Panel",
    "Policy",
    "PolicyFactory",
    "RegisterTool",
    "Sandbox",
    "SandboxBuilder",
    "SandboxFactory",
    "Session",
    "Strategy",
    "StrategyContext",
    "StrategyFactory",
    "Suite",
    "SuiteFactory",
    "ToolFactory",
    "VariableServer",
]
