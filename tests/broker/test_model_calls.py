"""Calling a chat model: retries, structured answers, usage."""

from __future__ import annotations

from typing import Any

import pytest

from evolvent.broker.model_calls import ModelCaller
from evolvent.broker.requests import CompleteRequest
from evolvent.errors import GuestError, ModelCallError
from evolvent.testing import ScriptedModel


def ask(script: Any, tokens_left: int | None = None, **options: Any) -> tuple[Any, Any, ScriptedModel]:
    model = ScriptedModel(script=script)
    caller = ModelCaller(model, "scripted:x", retries=2, max_wait=0.01)
    request = CompleteRequest.model_validate({"messages": [{"role": "user", "content": "hello"}], **options})
    return *caller.complete(request, tokens_left), model


def test_usage_is_recorded() -> None:
    value, usage, _ = ask(["four"])
    assert value["text"] == "four"
    assert (usage.input_tokens, usage.output_tokens, usage.model_calls) == (2, 1, 1)


def test_a_failure_that_may_pass_is_tried_again() -> None:
    value, _, model = ask([ConnectionError("reset"), TimeoutError("slow"), "there"])
    assert value["text"] == "there"
    assert len(model.calls) == 1


def test_retries_end_and_the_last_failure_is_named() -> None:
    with pytest.raises(ModelCallError, match="'scripted:x' failed 3 times.*reset"):
        ask([ConnectionError("reset")] * 5)


def test_a_failure_that_stays_is_not_tried_again() -> None:
    with pytest.raises(GuestError, match="refused: ValueError: bad request") as caught:
        ask([ValueError("bad request"), "never"])
    assert caught.value.kind == "ModelRefused"


def test_a_structured_answer_is_parsed() -> None:
    value, _, model = ask(['{"a": 1}'], schema={"type": "object"})
    assert value["value"] == {"a": 1}
    assert model.calls[0].options["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_an_answer_that_breaks_its_schema_is_an_error_for_the_guest() -> None:
    with pytest.raises(GuestError, match="did not write JSON: 'no'"):
        ask(["no"], schema={"type": "object"})


def test_the_answer_is_bounded_by_what_is_left() -> None:
    _, _, model = ask(["x"], tokens_left=5, max_tokens=100)
    assert model.calls[0].options["max_tokens"] == 5
