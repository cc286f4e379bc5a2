"""Learning with the real embedded model, end to end; and the wire with the small one."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
import pytest

from evolvent import Runtime, Task
from evolvent.practice import LearnJob, LearnOptions


@pytest.fixture(scope="module")
def models_dir() -> Path:
    given = os.environ.get("EVOLVENT_TEST_MODELS")
    return Path(given) if given else Path(platformdirs.user_cache_dir("evolvent")) / "test-models"


@pytest.fixture(scope="module")
def pulled(models_dir: Path) -> Path:
    """Fetch both catalogued models with the real code where they are missing."""
    from evolvent import Settings
    from evolvent.plugins import PluginHost

    source = PluginHost().models.get("local")
    for name in ("smollm2-135m", "qwen2.5-coder-1.5b"):
        source.pull(name, Settings(models_dir=models_dir), lambda done, total: None)
    return models_dir


@pytest.mark.llm
def test_a_small_real_model_answers_through_the_whole_runtime(pulled: Path) -> None:
    with Runtime.open(model="local:smollm2-135m", models_dir=pulled, model_context=2048) as runtime:
        result = runtime.solve(
            Task(prompt="Name one colour of the rainbow.", evaluator="regex", reference="(?s).+")
        )
    assert result.status == "solved"
    assert isinstance(result.answer, str)
    assert result.usage.input_tokens > 20
    assert result.usage.output_tokens > 0
    assert result.usage.model_calls == 1


@pytest.mark.llm
@pytest.mark.slow
@pytest.mark.timeout(480)
def test_a_real_model_learns_three_families(pulled: Path) -> None:
    with Runtime.open(model="local:qwen2.5-coder-1.5b", models_dir=pulled) as runtime:
        options = LearnOptions(held_out=4, practise=1, study=8, cases=12)
        report = LearnJob(runtime, "reasoning-gym:spell_backward,gcd,count_bits", options).run()
        names = [skill.name for skill in runtime.skills.list()]
    admitted = [outcome.name for outcome in report.skills if outcome.admitted]
    assert len(admitted) >= 2
    assert set(admitted) <= set(names)
    assert report.held_out.after - report.held_out.before >= 0.45
    assert report.held_out.interval[0] > 0
    assert report.tokens.after <= report.tokens.before / 3
    assert report.wrongly_applied <= 0.02
