import pytest

from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.subprocess_backend import SubprocessSandbox


@pytest.fixture(scope="session")
def bubblewrap():
    with BubblewrapSandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def unsafe_subprocess():
    with SubprocessSandbox(allow_unsafe=True) as sandbox:
        yield sandbox


@pytest.fixture
def run_inside(bubblewrap):
    """Run a function body in bubblewrap and return its value; anything else fails the test."""

    def run(body, limits=None):
        source = "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines())
        result = bubblewrap.call_function(source, "f", [[]], limits)[0]
        assert result.ok, result
        return result.value

    return run
