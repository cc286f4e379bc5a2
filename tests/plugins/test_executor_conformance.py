"""`check_executor` passes the built-in executors and catches wrong ones."""

import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from evolvent.plugins import PluginHost
from evolvent.settings import Settings
from evolvent.testing import check_executor
from evolvent_plugins import executors
from evolvent_plugins.executors import SerialExecutor


@pytest.mark.parametrize("name", ["serial", "threads"])
def test_the_built_in_executors_conform_in_less_than_two_seconds(name):
    host = PluginHost([])
    host.add(executors, "executors")
    started = time.perf_counter()
    check_executor(lambda workers: host.executors.get(name)(Settings(), workers))
    assert time.perf_counter() - started < 2


class Raises(SerialExecutor):
    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Forgets(SerialExecutor):
    def submit(self, fn, /, *args, **kwargs):
        return Future()


class Wraps(SerialExecutor):
    def submit(self, fn, /, *args, **kwargs):
        def wrapped():
            try:
                return fn(*args, **kwargs)
            except BaseException as error:
                raise RuntimeError("work failed") from error

        return super().submit(wrapped)


class DropsKeywords(SerialExecutor):
    def submit(self, fn, /, *args, **kwargs):
        return super().submit(fn, *args)


class Unbounded(ThreadPoolExecutor):
    def __init__(self, workers):
        super().__init__(16)


class DoesNotWait(ThreadPoolExecutor):
    def shutdown(self, wait=True, *, cancel_futures=False):
        super().shutdown(wait=False)


class Drops(ThreadPoolExecutor):
    def shutdown(self, wait=True, *, cancel_futures=False):
        super().shutdown(wait=wait, cancel_futures=True)


class StaysOpen(SerialExecutor):
    def shutdown(self, wait=True, *, cancel_futures=False):
        pass


class OneShutdown(SerialExecutor):
    def shutdown(self, wait=True, *, cancel_futures=False):
        if self._closed:
            raise ValueError("closed")
        super().shutdown()


class Twice(SerialExecutor):
    def submit(self, fn, /, *args, **kwargs):
        super().submit(fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)


class CancelledWorkRuns(SerialExecutor):
    """Gives a future that can still be cancelled for work that has run."""

    def submit(self, fn, /, *args, **kwargs):
        done = super().submit(fn, *args, **kwargs)

        class Late(Future):
            def cancel(self):
                return True

        future = Late()
        if done.exception() is None:
            future.set_result(done.result())
        else:
            future.set_exception(done.exception())
        return future


class OwnFuture:
    def submit(self, fn, /, *args, **kwargs):
        return fn(*args, **kwargs)


class NoFuture(Executor):
    def submit(self, fn, /, *args, **kwargs):
        return fn(*args, **kwargs)


def alone(kind):
    return lambda workers: kind()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (alone(Raises), r"submit\(\) raised ValueError"),
        (alone(Forgets), "1 of 1 futures are not done"),
        (alone(Wraps), "must keep the very exception"),
        (alone(DropsKeywords), "with the arguments given to submit"),
        (Unbounded, "ran at once with 1 workers"),
        (DoesNotWait, "must wait for all|must run|must not run"),
        (Drops, "must wait for all"),
        (alone(StaysOpen), "takes work; it must raise RuntimeError"),
        (alone(OneShutdown), r"shutdown\(\) called again raised ValueError"),
        (alone(Twice), "ran 24 times; each must run once"),
        (alone(CancelledWorkRuns), "cancelled work must not run"),
        (alone(OwnFuture), "is no concurrent.futures.Executor"),
        (alone(NoFuture), "must be a concurrent.futures.Future"),
        (ProcessPoolExecutor, "(?i)pickle"),
        (lambda workers: 1 / 0, "making an executor with 2 workers raised ZeroDivisionError"),
    ],
)
def test_a_wrong_executor_is_caught_in_words(wrong, words):
    with pytest.raises(AssertionError, match=words) as caught:
        check_executor(wrong)
    assert "\n" not in str(caught.value)
