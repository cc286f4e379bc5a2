"""Models of services: `openai:` against a real OpenAI-compatible server on loopback."""

import secrets

import pytest

from evolvent.errors import MissingPrerequisite, UsageError
from evolvent.settings import Settings
from evolvent.testing.model_conformance import check_chat_model, check_model_provider
from evolvent_plugins.models_langchain import SERVICES, ServiceModels, register_models

PROVIDERS = {service.provider: service for service in SERVICES}


def test_three_services_are_registered():
    registered = {}
    register_models(registered.__setitem__)
    assert sorted(registered) == ["anthropic", "ollama", "openai"]
    for provider in registered.values():
        check_model_provider(provider, Settings())


def test_a_missing_key_names_its_variable(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingPrerequisite, match="export OPENAI_API_KEY="):
        PROVIDERS["openai"].create("gpt-5-mini", Settings())


def test_a_missing_integration_says_which_extra_installs_it():
    service = ServiceModels("openai", "langchain_that_is_not_installed", "OPENAI_API_KEY")
    with pytest.raises(MissingPrerequisite, match=r"pip install 'evolvent\[openai\]'"):
        service.create("gpt-5-mini", Settings())


def test_a_model_needs_a_name():
    with pytest.raises(UsageError, match="write openai:<model>"):
        PROVIDERS["openai"].create(" ", Settings(base_url="http://127.0.0.1:1/v1"))


def test_nothing_can_be_pulled_from_a_service():
    with pytest.raises(UsageError, match="nothing to pull; `ollama pull llama3`"):
        PROVIDERS["ollama"].pull("llama3", Settings(), lambda done, total: None)


def test_the_kernel_retries_not_the_client(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = PROVIDERS["openai"].create("any", Settings(base_url="http://127.0.0.1:1/v1", model_timeout=7))
    assert model.max_retries == 0
    assert model.request_timeout == 7


@pytest.fixture(scope="module")
def endpoint(smollm2_file):
    """llama.cpp's own OpenAI-compatible server with smollm2, on a loopback port."""
    import xllamacpp

    key = secrets.token_hex(16)
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.warmup = str(smollm2_file), 2048, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.hostnames, params.api_keys, params.verbosity = ["127.0.0.1"], [key], -1
    server = xllamacpp.Server(params)
    # Freed before its loop has begun, it would wait for ever.
    server.handle_completions({"prompt": "a", "n_predict": 1})
    yield f"{server.listening_address}/v1", key
    del server


@pytest.fixture
def direct(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.llm
def test_any_openai_compatible_endpoint_answers(endpoint, monkeypatch, direct):
    base_url, key = endpoint
    monkeypatch.setenv("OPENAI_API_KEY", key)
    model = PROVIDERS["openai"].create("smollm2", Settings(base_url=base_url, model_timeout=60))
    # This server reuses the prompt of the call before, which changes its rounding: see LocalChatModel.cache_prompt.
    check_chat_model(model, repeatable=False)


@pytest.mark.llm
def test_a_wrong_key_is_an_error_of_the_service(endpoint, monkeypatch, direct):
    import openai

    base_url, _ = endpoint
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = PROVIDERS["openai"].create("smollm2", Settings(base_url=base_url, model_timeout=60))
    with pytest.raises(openai.AuthenticationError):
        model.invoke("Hi", max_tokens=2)
