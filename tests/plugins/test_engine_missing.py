"""An engine that cannot be imported says what mends it."""

import builtins

import pytest

from evolvent.errors import MissingPrerequisite
from evolvent_plugins.local_llm import engine


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("libgomp.so.1: cannot open shared object file", "apt-get install libgomp1"),
        ("libstdc++.so.6: version not found", "apt-get install libstdc++6"),
        ("No module named 'xllamacpp'", "pip install xllamacpp"),
    ],
)
def test_the_command_fits_what_is_missing(monkeypatch, tmp_path, reason, command):
    real = builtins.__import__

    def broken(name, *rest, **named):
        if name == "xllamacpp":
            raise ImportError(reason)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(MissingPrerequisite) as caught:
        engine._start_server(engine.EngineKey(tmp_path / "m.gguf", 1, 512))
    assert caught.value.command == command
