"""What can be swapped. Each protocol has a conformance suite in `evolvent.testing`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from evolvent.types import (
    CallResult,
    Event,
    Execution,
    FamilyProgress,
    JsonValue,
    Limits,
    ModelInfo,
    Modification,
    Move,
    PanelData,
    Skill,
    Split,
    Task,
    TaskView,
    Touch,
    Variant,
    Verdict,
)

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable
    from langchain_core.tools import BaseTool

    from evolvent.settings import Settings

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
]

GuestHandler = Callable[[str, dict[str, JsonValue]], JsonValue]
"""Answers one request of a guest: `(method, params) -> result`. Raising sends the guest an error with the
exception's type name and message; of a GuestError its `kind` and `message`."""


class Session(Protocol):
    """A guest process that answers calls and asks the host through one pipe."""

    def call(
        self, method: str, params: dict[str, JsonValue], handler: GuestHandler | None = None
    ) -> JsonValue:
        """Call a method of the guest and serve its requests until it answers.

        Args:
            method: `load` (params: `files`, a mapping of relative path to text) makes the guest's modules
                importable; `invoke` (params: `module`, `function`, `args`, `context`) calls `function(*args, ctx)`.
            params: a JSON object.
            handler: answers the guest's own requests; without one every request is refused.

        Raises:
            GuestError: the guest's code raised.
            SandboxTimeout: a limit ended the guest; it is killed.
            SandboxLost: the guest died or broke the protocol; it is killed.
        """
        ...

    def close(self) -> None:
        """Kill the guest and free what it held. May be called twice."""
        ...


@runtime_checkable
class FunctionServer(Protocol):
    """Calls a function of untrusted source: JSON in, JSON out."""

    def call_function(
        self,
        source: str,
        function: str,
        calls: Sequence[Sequence[JsonValue]],
        limits: Limits | None = None,
    ) -> list[CallResult]:
        """Call `function(*args)` for each `args` in `calls`, each in a process of its own.

        The result has one entry for each call, in order. Nothing that the code prints, exits with or
        leaves behind changes an entry of another call. `limits` holds for each call; its `wall_seconds`
        bounds one call.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            SandboxLost: the sandbox itself (not the code in it) failed.
        """
        ...


@runtime_checkable
class Sandbox(FunctionServer, Protocol):
    """Where untrusted code runs: no secrets, no network, bounded resources."""

    name: str
    isolates: bool
    """Whether code in it is kept from the host; a sandbox for which this is false needs `allow_unsafe`."""

    def run(
        self,
        command: Sequence[str],
        files: Mapping[str, bytes] | None = None,
        limits: Limits | None = None,
        collect: Sequence[str] = (),
    ) -> Execution:
        """Run one command to its end in a fresh sandbox.

        Args:
            command: argument vector; `python` as its first word is the sandbox's interpreter.
            files: relative path to content, laid out in the working folder first.
            limits: what it may use.
            collect: relative paths of files to bring back, `*`, `?` and `[…]` within a name allowed. Only
                regular files with one name come back, without following any symbolic link.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
            UsageError: a path in `files` or `collect` leaves the working folder.
        """
        ...

    def forkserver(self) -> FunctionServer:
        """Return a function server for throughput: its guests serve many sources, one fork for each call.

        `call_function` of the sandbox itself takes a fresh guest for each source: use that to admit or to gate.
        """
        ...

    def session(self, limits: Limits | None = None) -> Session:
        """Start a guest, or take a warm one that nobody has used.

        Raises:
            MissingPrerequisite: the sandbox cannot start on this machine.
        """
        ...

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`: interpreter, user, what isolates, what is missing."""
        ...

    def close(self) -> None:
        """Kill every process that it started. May be called twice."""
        ...


@runtime_checkable
class SandboxBuilder(Protocol):
    """A sandbox's factory that can also build what its sandbox needs, such as an image."""

    def build(
        self, settings: Settings, source: str, mirror: str | None, say: Callable[[str], object]
    ) -> dict[str, str]:
        """Build it and try it; an earlier one stays usable until that has succeeded.

        Args:
            settings: of the caller.
            source: what to build from; `auto` lets the builder choose.
            mirror: address of a package mirror, where the source takes one.
            say: gets a line for each step.

        Returns:
            What was built, for people.

        Raises:
            UsageError: there is no such source.
            MissingPrerequisite: the source cannot be had on this machine.
            SandboxLost: what was built does not work, or the engine failed.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Judges answers on the host."""

    def evaluate(self, task: Task, answer: JsonValue, functions: FunctionServer) -> Verdict:
        """Judge one answer.

        Args:
            task: the whole task, `reference` included.
            answer: what the agent returned: untrusted JSON.
            functions: runs code answers in the sandbox; expectations stay here.

        Raises:
            UsageError: the task's reference is not what this evaluator needs.
        """
        ...


@runtime_checkable
class Suite(Protocol):
    """Tasks in three disjoint splits."""

    name: str
    """The spec that made it, for example `reasoning-gym:starter`."""

    @property
    def families(self) -> tuple[str, ...]:
        """The kinds of task in it, at least one."""
        ...

    def tasks(self, split: Split, family: str) -> Iterator[Task]:
        """Yield the tasks of a split and family, always in the same order; may be endless."""
        ...

    def digest(self) -> str:
        """Return a hash of what the splits contain; another hash means that old scores do not compare."""
        ...


class ModelProvider(Protocol):
    """Makes chat models, and says which ones it has."""

    def create(self, name: str, settings: Settings) -> BaseChatModel:
        """Return the model; `name` is what follows `provider:`.

        Raises:
            UnknownName: the provider has no such model.
            MissingPrerequisite: the model must be fetched, or a package installed, first.
        """
        ...

    def models(self, settings: Settings) -> list[ModelInfo]:
        """Return the models that it can name; empty when only its service knows. Never asks a network."""
        ...

    def pull(self, name: str, settings: Settings, progress: Callable[[int, int], None]) -> None:
        """Fetch a model for use without a network; `progress(done_bytes, total_bytes)`. Idempotent.

        Raises:
            UnknownName: the provider has no such model.
            UsageError: this provider has nothing to fetch.
            IntegrityError: what was fetched is not what was promised; nothing of it is kept.
            MissingPrerequisite: no space, or no source could be reached.
        """
        ...


class RegisterTool(Protocol):
    """How a plugin registers tools."""

    def __call__(
        self, name: str, tool: BaseTool | ToolFactory, *, touches: Sequence[Touch | str] | None = None
    ) -> None:
        """Register a LangChain tool, or a factory that is called on first use.

        Args:
            name: by which guests call it.
            tool: a `BaseTool`; or a factory that gets what its parameters name, of `settings` (Settings) and
                `functions` (FunctionServer: runs Python source in the sandbox), and returns one tool, or a sequence
                of tools that guests call as `name.tool`.
            touches: what it touches beside computing its answer, `()` for nothing. A tool's own
                `metadata={"touches": [...]}` goes before it. A tool that declares nothing is denied.
        """
        ...


class StrategyContext(Protocol):
    """What a strategy may ask for; all of it is budgeted, journaled and recorded as if a guest had asked."""

    feedback: tuple[str, ...]
    """What was wrong with earlier attempts."""
    seed: int

    @property
    def model(self) -> BaseChatModel:
        """The run's model."""
        ...

    @property
    def tools(self) -> Sequence[BaseTool]:
        """The tools that the policy file does not deny outright."""
        ...

    def ask(self, method: str, params: dict[str, JsonValue]) -> JsonValue:
        """Make a request of the broker, such as `skills.search`; see the reference of broker requests.

        Raises:
            GuestError: the request was refused or failed.
        """
        ...

    def task_agent(self, seed: int | None = None) -> JsonValue:
        """Run the genome's task agent on the task in its sandbox and return its answer.

        Raises:
            GuestError: it gave up or failed; `kind` is `GiveUp`, `BudgetSpent` or the error's type.
        """
        ...


@runtime_checkable
class Strategy(Protocol):
    """A way to solve a task, in place of the genome's task agent."""

    def solve(self, task: TaskView, ctx: StrategyContext) -> JsonValue:
        """Return an answer. It must ask the same again when it is called again: a resumed run replays it."""
        ...


@runtime_checkable
class Curriculum(Protocol):
    """Chooses what a learning job practises next."""

    def next_family(self, families: Sequence[FamilyProgress], rng: Random) -> str | None:
        """Return the family to practise next, or None to end practice.

        Args:
            families: all families in the suite's order; those with `left == 0` are finished.
            rng: the only source of chance: a job must be repeatable.
        """
        ...


@runtime_checkable
class Policy(Protocol):
    """A self-modification policy: chooses which variant of the agent program to expand or measure next."""

    def choose(self, archive: Sequence[Variant], rng: Random) -> Move:
        """Return the next move; names a viable variant of the archive.

        Args:
            archive: every variant, oldest first; never empty, at least one is viable.
            rng: the only source of chance: a run must be repeatable.
        """
        ...

    def champion(self, archive: Sequence[Variant]) -> str:
        """Return the id of the viable variant that it believes to be the best."""
        ...


class MutationContext(Protocol):
    """What a mutation operator may use."""

    parent: Variant
    archive: Sequence[Variant]
    rng: Random

    def files(self, variant: str) -> Mapping[str, str]:
        """Return the files of a variant: relative path to text."""
        ...

    def failures(self) -> Sequence[Mapping[str, JsonValue]]:
        """Return failed train attempts of the parent: `task`, `answer`, `verdict`."""
        ...

    def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Ask the run's model, within the run's budget."""
        ...


@runtime_checkable
class MutationOperator(Protocol):
    """Proposes changes of the agent program. What it returns is untrusted until the kernel has checked it."""

    def propose(self, context: MutationContext) -> Modification | None:
        """Return a modification of the parent, or None when it has no idea."""
        ...


class HomeView(Protocol):
    """A home, to read only."""

    def events(self, kind: str | None = None, limit: int = 10_000) -> Sequence[Event]:
        """Return the newest `limit` entries of the ledger, oldest first."""
        ...

    def skills(self) -> Sequence[Skill]:
        """Return all skills of the library."""
        ...


@runtime_checkable
class Panel(Protocol):
    """Something that people want to see of a home."""

    title: str

    def show(self, view: HomeView) -> PanelData:
        """Return what there is to see now; takes milliseconds, and changes nothing."""
        ...


CurriculumFactory = Callable[["Settings"], Curriculum]
EmbedderFactory = Callable[["Settings"], "Embeddings"]
ExecutorFactory = Callable[["Settings", int], Executor]
"""Gets the number of workers."""
OperatorFactory = Callable[["Settings"], MutationOperator]
PolicyFactory = Callable[["Settings"], Policy]
SandboxFactory = Callable[["Settings"], Sandbox]
StrategyFactory = Callable[["Settings"], "Strategy | Runnable[Any, Any]"]
"""A runnable, such as a compiled LangGraph graph, gets `question`, `task`, `feedback` and `messages`, and
`config["configurable"]["evolvent"]` is the StrategyContext; its answer is the `answer` of its output, or the text
of the last message."""
SuiteFactory = Callable[[str], Suite]
"""Gets what follows `scheme:` in a suite's spec."""
ToolFactory = Callable[..., "BaseTool | Sequence[BaseTool]"]
Check = Callable[["Settings"], "str | None"]
"""Raises, or returns a remark for people; nothing to remark: None."""
