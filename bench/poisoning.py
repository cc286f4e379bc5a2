"""Can bad skills get into the library, and do good ones? Prints JSON.

Each bad skill meets an empty library, or, where it is bad only beside others, one of honest skills. The good ones are
the seed skills, the suite's own honest ones, and solutions of HumanEval with the cases of their checks.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from evolvent.library import Admission, Router, SkillStore
from evolvent.library.store import seed_folder
from evolvent.search import VectorIndex
from evolvent.testing.poison_tasks import foreign_to, tasks_of
from evolvent.testing.poisoning import GOOD, check_poison, fields_of, poisons
from evolvent.types import SkillProposal, Task


class Libraries:
    """Libraries of their own over one sandbox and one embedder."""

    def __init__(self, folder, sandbox, evaluators, embedder):
        self.folder, self.sandbox, self.evaluators, self.embedder = folder, sandbox, evaluators, embedder
        self.opened = []

    def open(self, name):
        """Return admission and store of an empty library."""
        home = self.folder / name
        store = SkillStore(home / "skills", seeds=None)
        index = VectorIndex(home / "chroma", "skills", lambda: self.embedder, "bench")
        self.opened.append(index)
        return Admission(store, Router(store, index), self.sandbox, self.evaluators), store

    def close(self):
        """Close what was opened."""
        for index in self.opened:
            index.close()


def good_skills():
    """Yield (group, proposal, cases, foreign questions) of honest skills."""
    from evolvent_plugins.human_eval_tasks.as_skills import solutions_as_skills

    foreign = [task.prompt for kind in ("add", "backward") for task in tasks_of(kind)[:2]]
    for skill in SkillStore(Path("/nonexistent"), seeds=seed_folder(), repair=False).list():
        proposal = SkillProposal(
            name=skill.name, description=skill.description, body=skill.body, script=skill.script
        )
        cases = [
            Task(id=c.task_id, prompt=c.question, evaluator="exact", reference=c.expected)
            for c in skill.cases
        ]
        yield "seed", proposal, cases, foreign
    for name, (kind, script) in GOOD.items():
        yield "suite", SkillProposal(**fields_of(name, script)), tasks_of(kind), foreign_to(kind)
    for proposal, cases in solutions_as_skills():
        yield "human-eval", proposal, cases, foreign


def measure(libraries):
    """Return what became of all skills."""
    admission, store = libraries.open("company")
    for name, (kind, script) in GOOD.items():
        proposal = SkillProposal(**fields_of(name, script))
        admission.consider(proposal, tasks_of(kind), foreign_to(kind))
    bad, good = [], []
    for poison in poisons():
        where = (admission, store) if poison.needs_company else libraries.open(f"bad-{poison.name}")
        folder = libraries.folder / "elsewhere"
        bad.append((poison, check_poison(*where, poison, folder)))
    admission, store = libraries.open("good")
    for group, proposal, cases, foreign in good_skills():
        started = time.perf_counter()
        report = admission.consider(proposal, cases, foreign)
        good.append((group, report, time.perf_counter() - started))
    return bad, good


def summary(bad, good):
    """Return the figures."""
    by_category = defaultdict(lambda: defaultdict(int))
    for poison, fate in bad:
        by_category[poison.category]["ADMITTED" if fate.admitted else fate.stage] += 1
    admitted = [report for _, report, _ in good if report.admitted]
    return {
        "bad": len(bad),
        "bad_admitted": [poison.name for poison, fate in bad if fate.admitted],
        "refused_by": {category: dict(stages) for category, stages in by_category.items()},
        "skills": [
            {
                "category": poison.category,
                "name": poison.name,
                "stage": fate.stage,
                "seconds": fate.seconds,
                "reason": fate.reason[:160],
            }
            for poison, fate in bad
        ],
        "good": len(good),
        "good_admitted": len(admitted),
        "good_share": round(len(admitted) / len(good), 3),
        "good_refused": {report.name: report.reason[:200] for _, report, _ in good if not report.admitted},
        "good_seconds_p50": round(statistics.median(seconds for _, _, seconds in good), 2),
    }


def main():
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    from evolvent_plugins.evaluators.exact import Exact
    from evolvent_plugins.minilm import MiniLMEmbeddings
    from evolvent_sandbox.bubblewrap import BubblewrapSandbox

    with tempfile.TemporaryDirectory() as folder, BubblewrapSandbox() as sandbox:
        libraries = Libraries(Path(folder), sandbox, lambda _name: Exact(), MiniLMEmbeddings())
        try:
            print(json.dumps(summary(*measure(libraries)), indent=2, ensure_ascii=False))
        finally:
            libraries.close()


if __name__ == "__main__":
    main()
