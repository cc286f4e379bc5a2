"""Fixtures of the search tests: the default embedder, real and loaded once."""

import pytest


@pytest.fixture(scope="session")
def minilm():
    from evolvent_plugins.minilm import MiniLMEmbeddings

    return MiniLMEmbeddings()
