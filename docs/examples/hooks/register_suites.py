"""A suite of sums, made from numbers: `evolvent learn sums:99` has sums up to 99."""

from random import Random

from evolvent import Split, Task, hookimpl
from evolvent.errors import UnknownName
from evolvent.types import digest


class Sums:
    families = ("sum",)

    def __init__(self, rest):
        self.largest = int(rest or 9)
        self.name = f"sums:{self.largest}"

    def tasks(self, split, family):
        if family not in self.families:
            raise UnknownName("family", family, self.families)
        split = Split(split)
        rng, offset = Random(f"{self.name}/{split.value}"), list(Split).index(split)
        for number in range(200):
            a, b = rng.randrange(self.largest), 3 * number + offset  # b keeps the splits apart
            yield Task(
                prompt=f"What is {a} + {b}?",
                suite=self.name,
                family=family,
                split=split,
                evaluator="numeric",
                reference=a + b,
            )

    def digest(self):
        return digest([self.name, 1])


@hookimpl
def register_suites(register):
    register("sums", Sums)
