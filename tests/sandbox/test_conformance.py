import pytest

from evolvent.testing.sandbox_conformance import assert_conforms, check_sandbox
from evolvent.types import CallResult


def test_bubblewrap_keeps_the_whole_contract(bubblewrap):
    assert_conforms(bubblewrap)


def test_bubblewrap_without_a_control_group_keeps_it_too(watched_bubblewrap):
    assert_conforms(watched_bubblewrap)


@pytest.mark.docker
def test_docker_keeps_the_whole_contract(docker):
    assert_conforms(docker)


def test_subprocess_keeps_the_contract_of_results(unsafe_subprocess):
    assert_conforms(unsafe_subprocess, isolation=False)


def test_the_suite_finds_a_sandbox_that_runs_code_in_the_host_process():
    class HostSandbox:
        name = "host"

        def call_function(self, source, function, calls, limits=None):
            names = {}
            exec(source, names)
            return [CallResult(outcome="value", value=names[function](*args)) for args in calls]

    results = {name: passed for name, passed, _ in check_sandbox(OnlyQuick(HostSandbox()), isolation=False)}
    assert results["values"] is False, "a tuple must come back as a list"
    assert results["exceptions"] is False
    assert results["sessions"] is False


def test_assert_conforms_names_every_failed_check():
    with pytest.raises(AssertionError, match=r"(?s)'broken'.*values:.*sessions:"):
        assert_conforms(Broken(), isolation=False)


class OnlyQuick:
    """Refuses endless or deadly programs, which would end the test itself."""

    DEADLY = ("while", "kill", "exit", "fork", "bytearray", "range(2000)", "left.txt")

    def __init__(self, inner):
        self.name, self._inner = inner.name, inner

    def call_function(self, source, function, calls, limits=None):
        if any(word in source for word in self.DEADLY):
            raise RuntimeError("not run")
        return self._inner.call_function(source, function, calls, limits)


class Broken:
    name = "broken"
