"""The built-in executors."""

import threading
from concurrent.futures import as_completed, wait

import pytest

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent_plugins import executors
from evolvent_plugins.executors import SerialExecutor


@pytest.fixture
def host():
    host = PluginHost([])
    host.add(executors, "executors")  # register_executors
    return host


def test_they_are_registered(host):
    assert host.executors.names() == ["serial", "threads"]


def test_threads_are_named_and_as_many_as_asked_for(host):
    gate = threading.Barrier(3, timeout=5)
    with host.executors.get("threads")(Settings(), 3) as executor:
        futures = [executor.submit(lambda: (gate.wait(), threading.current_thread().name)) for _ in range(3)]
        names = {future.result(timeout=5)[1] for future in futures}
    assert names == {f"evolvent-worker_{n}" for n in range(3)}


def test_serial_runs_inside_submit_in_the_same_thread(host):
    seen = []
    with host.executors.get("serial")(Settings(), 4) as executor:
        future = executor.submit(lambda: seen.append(threading.current_thread()))
        assert seen == [threading.current_thread()]
        assert future.done()
        assert not future.cancel()
        assert list(executor.map(lambda a, b: a + b, [1, 2], [3, 4])) == [4, 6]
        nested = executor.submit(lambda: executor.submit(lambda: 5).result())
        assert nested.result() == 5


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), GeneratorExit()])
def test_serial_keeps_what_is_raised_in_the_future(error):
    def fail():
        raise error

    future = SerialExecutor().submit(fail)
    assert future.exception() is error
    with pytest.raises(type(error)):
        future.result()


def test_serial_lets_an_interruption_through():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SerialExecutor().submit(interrupted)


def test_serial_refuses_after_shutdown_and_its_futures_can_be_waited_for():
    executor = SerialExecutor()
    futures = [executor.submit(lambda n=n: n) for n in range(3)]
    executor.shutdown(cancel_futures=True)
    executor.shutdown()
    assert sorted(f.result() for f in as_completed(futures)) == [0, 1, 2]
    assert wait(futures).not_done == set()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(print)
