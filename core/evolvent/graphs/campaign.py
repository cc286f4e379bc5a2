"""What one evolution run works with: its tasks, archive, policy, operators and workers."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence, Sized
from concurrent.futures import Executor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from evolvent.broker import Meter
from evolvent.errors import ModelCallError, UnknownName, UsageError
from evolvent.evolution.archive import Archive, context_of
from evolvent.evolution.novelty import Novelty
from evolvent.evolution.spending import ErrorBudget
from evolvent.evolution.surface import check_surface, read_genome
from evolvent.graphs.freezing import Leaks
from evolvent.graphs.genome import SEEDS, seed_genome
from evolvent.graphs.progress import Progress
from evolvent.graphs.purse import Purse
from evolvent.graphs.seeds import unit_seed
from evolvent.graphs.services import Services
from evolvent.graphs.trial import mean_of, try_task
from evolvent.protocols import MutationOperator, Policy, Suite
from evolvent.storage.archive import ArchiveTables, StoredVariant
from evolvent.storage.bait import plant
from evolvent.storage.genomes import GenomeStore
from evolvent.types import (
    Budget,
    Evaluation,
    EvolveOptions,
    LessonState,
    Split,
    Task,
    Usage,
    digest,
)

if TYPE_CHECKING:
    from evolvent.plugins import PluginHost

__all__ = ["Campaign", "EvolveServices"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class EvolveServices:
    """What the nodes of the evolve graph work with."""

    solving: Services
    plugins: PluginHost
    tables: ArchiveTables
    genomes: GenomeStore
    embed: Callable[[Sequence[str]], Sequence[Sequence[float]]]
    """Texts to unit vectors."""
    home: Path
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    """By run: a graph's state names the run, and everything else is found here."""

    def campaign(self, run_id: str, suite: str, options: EvolveOptions) -> Campaign:
        """Return the campaign of a run, made on first use.

        Raises:
            UnknownName: there is no such suite, policy, operator or executor.
            UsageError: the suite has too few tasks.
        """
        if run_id not in self.campaigns:
            campaign = self.campaigns[run_id] = Campaign(self, run_id, suite, options)
            campaign.begin()
        return self.campaigns[run_id]


class Campaign:
    """One evolution run."""

    def __init__(self, services: EvolveServices, run_id: str, suite: str, options: EvolveOptions) -> None:
        self.services, self.run_id, self.options = services, run_id, options
        self.bait = services.solving.watch.bait
        plant(self.bait)
        self.leaks = Leaks(self)
        self.generation = 0
        """The one that is under way."""
        self.waits_for_model = False
        """Whether the run ends where the model is down, to go on there; else its candidates fail, blameless."""
        plugins, settings = services.plugins, services.solving.settings
        self.suite: Suite = plugins.suite(suite)
        self.tasks = {
            Split.TRAIN: _shuffled(_deal(self.suite, Split.TRAIN, options.train), options.seed),
            Split.GATE: _deal(self.suite, Split.GATE, options.gate),
            Split.SEALED: _deal(self.suite, Split.SEALED, options.sealed) if options.sealed else [],
        }
        self.context = context_of(
            self.suite.name,
            self.suite.digest(),
            settings.model,
            library_digest(services.solving),
            options.seed,
            options.task_tokens,
            options.task_seconds,
            options.tries,
            sorted(self._evaluators().items()),
        )
        families = {task.id: task.family or "" for task in self.tasks[Split.TRAIN]}
        self.archive = Archive(services.tables, services.genomes, self.context, families)
        self.policy: Policy | None = None
        """None for `genome`: the active program chooses itself."""
        if options.policy != "genome":
            if options.policy not in plugins.policies.items:
                known = [*plugins.policies.names(), "genome"]
                raise UnknownName("policy", options.policy, known, plugins.policies.hint())
            self.policy = plugins.policies.get(options.policy)(settings)
        self.operators: dict[str, MutationOperator] = {
            name: plugins.operators.get(name)(settings) for name in options.operators
        }
        if not self.operators:
            raise UsageError(f"no mutation operator is given; known: {', '.join(plugins.operators.names())}")
        self.error = ErrorBudget(alpha=options.alpha)
        self.novelty = Novelty(services.tables, services.embed, options.novelty)
        self.purse = Purse(services.tables, run_id, options)
        self.progress: Progress | None = None
        self.fingerprint: dict[str, str] = {}
        self._make_executor = plugins.executors.get(settings.executor)
        self._workers: Executor | None = None
        self._settings = settings

    @property
    def solving(self) -> Services:
        """What solving works with, and a watch that freezes evolution."""
        return replace(self.services.solving, watch=self.leaks.watch)

    def begin(self) -> None:
        """Give an empty archive its first program.

        Raises:
            UsageError: another start is asked for than the archive has.
        """
        genomes, start = self.services.genomes, self.options.start
        active = genomes.active()
        if active is None or active not in self.archive:
            files = self._first_program()
            faults = check_surface(files)
            if faults:
                raise UsageError(f"{start!r} cannot be the first program: {'; '.join(faults)[:1_000]}")
            active = genomes.add(files, (), "The first program.")
            root = StoredVariant(
                active, genomes.tree(active), (), 0, self.run_id, "seed", "The first program."
            )
            self.archive.add([root])
            genomes.set_active(active)
        elif start != "active" and genomes.tree_of(self._first_program()) not in self._root_trees():
            raise UsageError(
                f"the archive of this home did not begin with {start!r}; leave --start out to go on with it, or use "
                "another EVOLVENT_HOME"
            )
        self.fingerprint = self._fingerprint()

    def _first_program(self) -> dict[str, str]:
        """Return the files of the program that the options start with."""
        start = self.options.start
        if start in SEEDS or start == "active":
            return seed_genome("seed" if start == "active" else start)
        if not Path(start).is_dir():
            raise UnknownName(
                "first program", start, ["active", *SEEDS], "A folder with a program is allowed too."
            )
        return read_genome(Path(start))

    def _root_trees(self) -> set[str]:
        """Return the trees that lines begin with: a lineage that was imported brings a beginning of its own."""
        return {self.archive.stored(v.id).tree for v in self.archive.variants() if not v.parents}

    def changed_judge(self) -> str:
        """Return what of the judge is not what it was when the run began; empty when nothing is."""
        now = self._fingerprint()
        return ", ".join(what for what in now if now[what] != self.fingerprint[what])

    def _fingerprint(self) -> dict[str, str]:
        """Return digests of the tasks of each split and of the evaluators' code."""
        found = {
            f"the {split.value} split": digest([task.model_dump(mode="json") for task in tasks], 64)
            for split, tasks in self.tasks.items()
        }
        return found | self._evaluators()

    def _evaluators(self) -> dict[str, str]:
        """Return digests of the evaluators' code."""
        found = {}
        for name in sorted({str(task.evaluator) for tasks in self.tasks.values() for task in tasks}):
            module = inspect.getmodule(type(self.solving.evaluators(name)))
            source = getattr(module, "__file__", None)
            found[f"the evaluator {name!r}"] = digest(Path(source).read_text() if source else "", 64)
        return found

    def each(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Do work for each item, at most `settings.workers` at once; results are in the order of the items.

        Items may be made while the work on the first ones is being done.
        """
        if self._settings.workers == 1 or (isinstance(items, Sized) and len(items) < 2):
            return [work(item) for item in items]
        if self._workers is None:
            self._workers = self._make_executor(self._settings, self._settings.workers)
        pending = [self._workers.submit(copy_context().run, work, item) for item in items]
        return [future.result() for future in pending]

    def model_is_down(self, error: ModelCallError) -> None:
        """Hear that the model did not answer.

        Raises:
            ModelCallError: the run waits for it.
        """
        if self.waits_for_model:
            raise error

    def close(self) -> None:
        """End the workers."""
        if self._workers is not None:
            self._workers.shutdown(wait=True, cancel_futures=True)
            self._workers = None
        self.services.campaigns.pop(self.run_id, None)

    def measure(self, variant: str, tasks: Sequence[Task]) -> dict[str, float]:
        """Return the scores of a variant on tasks of one split, by task; measures those that are missing.

        Every variant has the same seed on the same task, so scores are paired.

        Raises:
            ModelCallError: the model did not answer, or (`OutOfBudget`) may not be asked; what was measured before is
                kept.
        """
        if not tasks:
            return {}
        split = tasks[0].split
        assert split is not None
        known = self.archive.scores(variant, split)
        missing = [task for task in tasks if task.id not in known]
        if missing:
            files = self.archive.genomes.files(variant)
            down: list[ModelCallError] = []

            def attempt(task: Task) -> Evaluation | None:
                if not down:
                    try:
                        return self._try(variant, files, task)
                    except ModelCallError as error:
                        down.append(error)
                return None

            found = [evaluation for evaluation in self.each(attempt, missing) if evaluation is not None]
            self.archive.record(self.run_id, found)
            if down:
                raise _summed(down)
            known |= {evaluation.task_id: evaluation.score for evaluation in found}
        return {task.id: known[task.id] for task in tasks}

    def measure_for(self, wanted: Iterable[tuple[str, str, Sequence[Task]]]) -> dict[str, ModelCallError]:
        """Measure programs on train tasks for several candidates at once, as far as the budgets last.

        Args:
            wanted: key of a candidate, a program that it is compared by, and tasks. What was measured before is not
                measured again.

        Returns:
            By key, why a candidate's programs were not all measured; what was is kept.
        """
        asked: dict[tuple[str, str], tuple[str, Task]] = {}
        for key, variant, tasks in wanted:
            known = self.archive.scores(variant, Split.TRAIN)
            for task in tasks:
                if task.id not in known:
                    asked.setdefault((variant, task.id), (key, task))
        files = {variant: self.archive.genomes.files(variant) for variant, _ in asked}
        ended: dict[str, list[ModelCallError]] = {}

        def attempt(item: tuple[tuple[str, str], tuple[str, Task]]) -> Evaluation | None:
            (variant, _), (key, task) = item
            if key not in ended:
                try:
                    return self._try(variant, files[variant], task)
                except ModelCallError as error:
                    ended.setdefault(key, []).append(error)
            return None

        found = [evaluation for evaluation in self.each(attempt, asked.items()) if evaluation is not None]
        self.archive.record(self.run_id, found)
        return {key: _summed(errors) for key, errors in ended.items()}

    def _try(self, variant: str, files: dict[str, str], task: Task) -> Evaluation:
        """Try a task once, or, where it decides or is reported, as often as the options say.

        Raises:
            OutOfBudget: a budget is spent; the tries that were made are not made again.
        """
        tries = 1 if task.split is Split.TRAIN else self.options.tries
        made: list[Evaluation] = []
        try:
            for number in range(tries):
                made.append(self._try_once(variant, files, task, number))  # kept where one raises
        except ModelCallError as error:
            error.used = sum((one.usage for one in made), error.used)
            raise
        found = mean_of(made)
        if self.progress is not None:
            self.progress.add(self.archive, found, len(self.tasks[found.split]))
        return found

    def _try_once(self, variant: str, files: dict[str, str], task: Task, number: int) -> Evaluation:
        self.purse.check()
        session = f"{self.run_id}/{variant[:12]}/{task.split}/{_short(task.id)}/{number}"
        meter = Meter(self.attempt_budget())
        try:
            found = try_task(
                self.solving,
                files,
                variant,
                task,
                run_id=self.run_id,
                session_id=session,
                seed=unit_seed(self.options.seed, "measure", task.id, number),
                meter=meter,
            )
        except ModelCallError as error:
            error.used = meter.usage
            self.purse.spend(error.used)
            raise
        self.purse.spend(found.usage)
        return found

    def attempt_budget(self) -> Budget:
        """Return the budget of one attempt at a task."""
        return Budget(attempts=1, tokens=self.options.task_tokens, seconds=self.options.task_seconds)

    def rng(self, *parts: object) -> Random:
        """Return a generator that is the same whenever the same is asked."""
        return Random(unit_seed(self.options.seed, *parts))  # noqa: S311  # no secret

    def incumbent(self) -> str:
        """Return the active program.

        Raises:
            UsageError: there is none yet.
        """
        active = self.services.genomes.active()
        if active is None or active not in self.archive:
            raise UsageError("the archive has no active program; begin with `evolvent evolve`")
        return active


def library_digest(services: Services) -> str:
    """Return a digest of what a program finds in the library and in the memory."""
    skills = sorted((skill.name, skill.digest) for skill in services.skills.each() if skill.state.usable)
    lessons = sorted(lesson.id for lesson in services.memory.lessons.all(LessonState.ACTIVE))
    return hashlib.sha256(repr((skills, lessons)).encode()).hexdigest()


def _summed(errors: Sequence[ModelCallError]) -> ModelCallError:
    """Return the first error, with what all attempts used that ended so."""
    first = errors[0]
    first.used = sum((error.used for error in errors), Usage())
    return first


def _deal(suite: Suite, split: Split, count: int) -> list[Task]:
    """Take as many tasks of each family, or one more."""
    share = math.ceil(count / len(suite.families))
    dealt = [list(islice(suite.tasks(split, family), share)) for family in suite.families]
    tasks = [task for row in range(share) for tasks in dealt for task in tasks[row : row + 1]][:count]
    if not tasks:
        raise UsageError(
            f"{suite.name!r} has no {split.value} tasks; evolution needs train, gate and sealed ones"
        )
    unjudged = next((task.id for task in tasks if task.evaluator is None), None)
    if unjudged:
        raise UsageError(f"the task {unjudged!r} of {suite.name!r} has no evaluator; every task needs one")
    return tasks


def _shuffled(tasks: list[Task], seed: int) -> list[Task]:
    """Return tasks in an order that says nothing of them: stopping early needs that."""
    return Random(unit_seed(seed, "order")).sample(tasks, len(tasks))  # noqa: S311  # no secret


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
