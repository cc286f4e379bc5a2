"""An evaluator that passes answers with at least as many words as the task's reference says."""

from evolvent import Verdict, hookimpl


class AtLeast:
    def evaluate(self, task, answer, functions):
        passed = len(str(answer).split()) >= task.reference
        return Verdict(score=float(passed), passed=passed, evaluator="at-least")


@hookimpl
def register_evaluators(register):
    register("at-least", AtLeast())
