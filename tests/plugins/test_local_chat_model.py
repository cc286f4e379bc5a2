"""The embedded engine with the real smollm2-135m."""

import gc
import json
import signal
import subprocess
import sys
import threading
import time

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from evolvent.errors import ModelCallError
from evolvent.settings import Settings
from evolvent.testing.model_conformance import check_chat_model, check_model_provider
from evolvent_plugins.local_llm.chat_model import LocalChatModel
from evolvent_plugins.local_llm.engine import Engine
from evolvent_plugins.models_local import LocalModels

pytestmark = pytest.mark.llm

SHAPE = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}, "number": {"type": "integer"}},
    "required": ["colour", "number"],
    "additionalProperties": False,
}
LONG = "Explain in detail how bread is baked. " * 8


def test_it_keeps_the_contract_of_chat_models(smollm2):
    check_chat_model(smollm2)


def test_its_provider_keeps_the_contract_of_providers(models_dir, smollm2_file):
    settings = Settings(models_dir=models_dir)
    check_model_provider(LocalModels(), settings)
    info = next(info for info in LocalModels().models(settings) if info.ref == "local:smollm2-135m")
    assert info.installed
    assert info.path == str(smollm2_file)


def test_a_schema_holds_the_answer_to_its_shape(smollm2):
    answer = smollm2.invoke(
        "Give a colour and a number.",
        response_format={"type": "json_schema", "json_schema": {"schema": SHAPE}},
        max_tokens=200,
    )
    value = json.loads(answer.text)
    assert value["colour"] in ("red", "blue")
    assert isinstance(value["number"], int)


def test_a_stop_word_ends_the_answer(smollm2):
    free = smollm2.invoke("Count: one, two, three, four, five, six.", max_tokens=40, seed=1)
    word = free.text.split()[1]
    stopped = smollm2.invoke("Count: one, two, three, four, five, six.", max_tokens=40, seed=1, stop=[word])
    assert stopped.text == free.text[: free.text.index(word)]
    assert stopped.response_metadata["finish_reason"] == "stop"


def test_max_tokens_bounds_the_answer_and_the_finish_reason_says_so(smollm2):
    answer = smollm2.invoke("Tell a long story.", max_tokens=7)
    assert answer.usage_metadata["output_tokens"] == 7
    assert answer.response_metadata["finish_reason"] == "length"


def test_usage_counts_the_whole_prompt_and_names_the_cached_part(smollm2):
    cold = smollm2.invoke(LONG, max_tokens=1)
    warm = smollm2.invoke(LONG, max_tokens=1, cache_prompt=True)
    assert cold.usage_metadata["input_token_details"]["cache_read"] == 0
    assert warm.usage_metadata["input_token_details"]["cache_read"] > 50
    assert warm.usage_metadata["input_tokens"] == cold.usage_metadata["input_tokens"]


def test_roles_are_given_to_the_models_own_template(smollm2):
    with_system = smollm2.invoke([SystemMessage("Be brief."), HumanMessage("Hi")], max_tokens=1)
    dialogue = smollm2.invoke([HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("Hi")], max_tokens=1)
    alone = smollm2.invoke("Hi", max_tokens=1)
    counts = [m.usage_metadata["input_tokens"] for m in (with_system, dialogue, alone)]
    assert len(set(counts)) == 3


def test_an_answer_depends_on_its_own_request_only(smollm2):
    prompts = [f"{LONG} Case {n}: write a sentence about the number {n}." for n in range(4)]
    answers = {}
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [0, 0, 2, 2]):
        for n in order:
            text = smollm2.invoke(prompts[n], seed=n, temperature=0.7, max_tokens=24).text
            assert answers.setdefault(n, text) == text
    assert len(set(answers.values())) > 1


def test_more_answers_to_one_prompt_do_not_read_it_again_and_stay_what_they_were(smollm2):
    def ask(prompt, seed):
        answer = smollm2.invoke(f"{LONG} {prompt}", seed=seed, temperature=0.9, max_tokens=16)
        return answer.text, answer.usage_metadata["input_token_details"]["cache_read"]

    alone = {}
    for seed in range(3):
        ask("Something else.", 0)
        alone[seed], cached = ask("Write a verse.", seed)
        assert cached == 0
    again = {seed: ask("Write a verse.", seed) for seed in (2, 0, 1)}
    assert {seed: text for seed, (text, _) in again.items()} == alone
    assert min(cached for _, cached in again.values()) > 50


def test_the_number_of_threads_changes_nothing_that_is_computed(models_dir, smollm2_file):
    """Probabilities show in a few tokens what would change one answer in some hundred."""
    request = {"messages": [{"role": "user", "content": LONG * 4}], "max_tokens": 4}
    found = []
    for threads in (1, 2):
        settings = Settings(models_dir=models_dir, model_context=1024, model_threads=threads)
        model = LocalModels().create("smollm2-135m", settings)
        answer = model._engine._server.handle_chat_completions({**request, "logprobs": True, "seed": 1})
        found.append([(one["token"], one["logprob"]) for one in answer["choices"][0]["logprobs"]["content"]])
        model.close()
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_seeds_matter(smollm2):
    texts = {smollm2.invoke("Tell a story.", seed=n, temperature=1.0, max_tokens=16).text for n in range(4)}
    assert len(texts) > 1


PROGRAM = """
import json, sys
from pathlib import Path
from evolvent.settings import Settings
from evolvent_plugins.models_local import LocalModels
model = LocalModels().create("smollm2-135m", Settings(models_dir=Path(sys.argv[1]), model_context=2048))
print(json.dumps([model.invoke(f"Say {n}", seed=n, temperature=0.8, max_tokens=16).text for n in range(4)]))
"""


def test_two_processes_give_the_same_answers_and_print_nothing_else(models_dir, smollm2_file):
    runs = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(models_dir)], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert runs[0].stdout == runs[1].stdout
    assert len(json.loads(runs[0].stdout)) == 4
    assert [run.stderr for run in runs] == ["", ""]


INTERRUPTED = """
import sys
from pathlib import Path
from evolvent.settings import Settings
from evolvent_plugins.models_local import LocalModels
model = LocalModels().create("smollm2-135m", Settings(models_dir=Path(sys.argv[1]), model_context=2048))
model.invoke("Hi", max_tokens=2)
print("ready", flush=True)
try:
    model.invoke("Tell a very long story.", max_tokens=1900)
except KeyboardInterrupt:
    print("interrupted", len(model.invoke("Hi", max_tokens=2).text) > 0)
"""


def test_ctrl_c_ends_a_call_and_the_model_can_be_used_again(models_dir, smollm2_file):
    command = [sys.executable, "-c", INTERRUPTED, str(models_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted True\n"
    assert process.returncode == 0


def test_a_prompt_beyond_the_context_says_how_long_it_is(smollm2):
    with pytest.raises(
        ModelCallError, match=r"the prompt has \d{4} tokens, but .* context is 2048.*MODEL_CONTEXT"
    ):
        smollm2.invoke("word " * 3_000)


@pytest.mark.parametrize(
    "options", [{"timeout": 0.3, "max_tokens": 2_000}, {"timeout": 0.01, "max_tokens": 1}]
)
def test_a_call_that_takes_too_long_is_ended_and_the_next_one_works(smollm2, options):
    started = time.monotonic()
    with pytest.raises(ModelCallError, match="did not finish within"):
        smollm2.invoke("Write a very long story about a very long road. " * 20, **options)
    assert time.monotonic() - started < 20
    assert smollm2.invoke("Hi", max_tokens=2).text


def test_options_and_schemas_that_it_cannot_use_are_refused(smollm2):
    with pytest.raises(ModelCallError, match=r"do not take \['top_secret'\]; they take: .*seed"):
        smollm2.invoke("Hi", top_secret=1)
    with pytest.raises(ModelCallError, match="unrecognized type"):
        smollm2.invoke(
            "Hi", response_format={"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}
        )


def test_a_file_that_is_no_model_cannot_be_loaded(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"GGUF" + b"\0" * 1_000)
    with pytest.raises(ModelCallError, match=r"llama\.cpp cannot load"):
        LocalChatModel(path=tmp_path / "x.gguf", model_name="x")


def test_models_of_one_file_share_one_engine_until_the_last_is_closed(models_dir, smollm2_file):
    settings = Settings(models_dir=models_dir, model_context=1024)
    first, second = (LocalModels().create("smollm2-135m", settings) for _ in range(2))
    engine = first._engine
    assert second._engine is engine
    first.close()
    first.close()
    with pytest.raises(ModelCallError, match="was closed"):
        first.invoke("Hi")
    assert second.invoke("Hi", max_tokens=2).text
    second.close()
    assert engine.key not in Engine._shared


def test_a_model_that_is_forgotten_frees_its_engine(models_dir, smollm2_file):
    model = LocalModels().create("smollm2-135m", Settings(models_dir=models_dir, model_context=768))
    key = model._engine.key
    assert key in Engine._shared
    del model
    gc.collect()
    assert key not in Engine._shared


def test_calls_of_several_threads_take_turns(smollm2):
    alone = [smollm2.invoke(f"Say {n}", seed=n, max_tokens=8).text for n in range(4)]
    found = {}

    def call(n):
        found[n] = smollm2.invoke(f"Say {n}", seed=n, max_tokens=8).text

    threads = [threading.Thread(target=call, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[n] for n in range(4)] == alone


def test_a_stream_that_its_reader_leaves_ends_the_call(smollm2):
    started = time.monotonic()
    for piece in smollm2.stream("Tell a very long story.", max_tokens=1_500):
        if piece.text:
            break
    assert smollm2.invoke("Hi", max_tokens=2).text
    assert time.monotonic() - started < 20


def test_the_port_that_the_library_opens_wants_a_key(smollm2):
    import urllib.error
    import urllib.request

    address = smollm2._engine._server.listening_address
    assert address.startswith("http://127.0.0.1:")
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        data=b'{"messages": []}',
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=10)
    with caught.value as answer:
        assert answer.code == 401
