import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from evolvent.errors import UsageError
from evolvent.testing.model_conformance import check_chat_model
from evolvent.testing.scripted_model import ScriptedModel


def test_a_sequence_answers_in_order_and_then_says_that_it_is_over():
    model = ScriptedModel(script=["one", "two"])
    assert [model.invoke("x").text, model.invoke("y").text] == ["one", "two"]
    with pytest.raises(UsageError, match="2 answers, and this is call 3"):
        model.invoke("z")


def test_an_exception_in_the_sequence_is_raised():
    model = ScriptedModel(script=[ConnectionError("down"), "up"])
    with pytest.raises(ConnectionError, match="down"):
        model.invoke("x")
    assert model.invoke("x").text == "up"


def test_the_first_key_that_occurs_in_any_message_decides():
    model = ScriptedModel(script={"gcd": "12", "number": "7", "": "else"})
    assert model.invoke([SystemMessage("about gcd"), HumanMessage("a number")]).text == "12"
    assert model.invoke("a number").text == "7"
    assert model.invoke("nothing of it").text == "else"


def test_a_mapping_without_a_matching_key_names_its_keys():
    with pytest.raises(UsageError, match=r"\['gcd'\]"):
        ScriptedModel(script={"gcd": "12"}).invoke("lcm")


def test_calls_are_recorded_with_their_options_and_usage_is_counted():
    model = ScriptedModel(script=lambda messages: messages[-1].text.upper())
    answer = model.bind(temperature=0.5).invoke(
        [SystemMessage("12345"), HumanMessage("abc")], stop=["C"], seed=3
    )
    assert answer.text == "AB"
    (call,) = model.calls
    assert call.text == "12345\nabc"
    assert call.options == {"temperature": 0.5, "seed": 3, "stop": ["C"]}
    assert answer.usage_metadata == {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}


def test_it_keeps_the_contract_of_chat_models():
    check_chat_model(ScriptedModel(script=lambda messages: "blue"))
