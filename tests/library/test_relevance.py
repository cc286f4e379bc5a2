"""The features of a candidate."""

import os
import subprocess
import sys

REPEATED = """
import os
import subprocess
import sys
from evolvent.library.relevance import features
from evolvent.search import Hit
from evolvent.types import Skill, SkillCase

texts = ["Sort the numbers 3, 5 and 9 in ascending order.", "Sort the numbers 7, 1 and 4 in ascending order."]
cases = tuple(SkillCase(question=text, expected="") for text in texts)
skill = Skill(name="s", description="Sorts numbers; use it for lists of them.", body="b", digest="d", cases=cases)
idf = lambda word: 0.1 + len(word) / 7
query = "Sort these numbers in descending order, please: 4, 2, 17 and then give the sum of them all."
print(features(query, [Hit("s", 1.0, 0.5, 0.4)], [skill], idf))
"""


def test_the_features_are_the_same_to_the_last_bit_in_every_process():
    """Texts hash otherwise in each process, so sets of them are walked in another order."""
    said = {
        subprocess.run(
            [sys.executable, "-c", REPEATED],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(6)
    }
    assert len(said) == 1
