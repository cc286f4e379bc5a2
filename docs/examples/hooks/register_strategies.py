"""Ask three times and take the majority: `evolvent solve --strategy vote …`."""

from collections import Counter

from evolvent import hookimpl


class Vote:
    """The answer that the task agent gives most often with three seeds."""

    def solve(self, task, ctx):
        answers = [str(ctx.task_agent(seed=ctx.seed + n)) for n in range(3)]
        return Counter(answers).most_common(1)[0][0]


@hookimpl
def register_strategies(register):
    register("vote", lambda settings: Vote())
