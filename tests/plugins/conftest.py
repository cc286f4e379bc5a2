"""Fixtures of the plugins' tests: a real sandbox, and the real small model, pulled once for all runs."""

import os
from pathlib import Path

import platformdirs
import pytest

from evolvent.settings import Settings
from evolvent_plugins.local_llm.catalogue import find_model
from evolvent_plugins.local_llm.pull import pull_model
from evolvent_plugins.models_local import LocalModels


@pytest.fixture(scope="session")
def models_dir():
    """The folder of real models that all test runs of a machine share."""
    given = os.environ.get("EVOLVENT_TEST_MODELS")
    return Path(given) if given else Path(platformdirs.user_cache_dir("evolvent")) / "test-models"


@pytest.fixture(scope="session")
def smollm2_file(models_dir):
    """The file of smollm2-135m, fetched by the real code where it is missing."""
    return pull_model(find_model("smollm2-135m"), Settings(models_dir=models_dir), lambda done, total: None)


@pytest.fixture(scope="session")
def smollm2(smollm2_file, models_dir):
    """The smallest real model, loaded once."""
    settings = Settings(models_dir=models_dir, model_context=2048, model_timeout=60)
    model = LocalModels().create("smollm2-135m", settings)
    yield model
    model.close()


@pytest.fixture(scope="session")
def functions():
    """The real function server."""
    from evolvent_plugins import sandbox_bubblewrap

    factories = {}
    sandbox_bubblewrap.register_sandboxes(factories.__setitem__)
    sandbox = factories["bubblewrap"](Settings())
    yield sandbox
    sandbox.close()


@pytest.fixture
def mcp_closed():
    """End the sessions with MCP servers after a test."""
    from evolvent_plugins import mcp

    yield
    mcp.close()
