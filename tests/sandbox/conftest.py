import os

import pytest
from tests.sandbox.engine import PrivateEngine, can_start

from evolvent.errors import MissingPrerequisite
from evolvent.testing.attack_range import Bait
from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.containers.backend import DockerSandbox, find_image
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.image import build_image
from evolvent_sandbox.subprocess_backend import SubprocessSandbox


@pytest.fixture(scope="session", params=["forked", "started"])
def bubblewrap(request):
    """Bubblewrap whose guests are forked from a zygote, and bubblewrap that starts each of them."""
    with BubblewrapSandbox(zygote=request.param == "forked") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def forked():
    with BubblewrapSandbox() as sandbox:
        assert "forked" in sandbox.describe()["start"], sandbox.describe()
        yield sandbox


@pytest.fixture(scope="module")
def started():
    with BubblewrapSandbox(zygote=False) as sandbox:
        assert "not wanted" in sandbox.describe()["start"]
        yield sandbox


@pytest.fixture(scope="session")
def watched_bubblewrap():
    """Bubblewrap as on a machine where no control group can be written."""
    with BubblewrapSandbox(cgroups=False) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def unsafe_subprocess():
    with SubprocessSandbox(allow_unsafe=True) as sandbox:
        yield sandbox


def no_engine(reason):
    if os.environ.get("CI"):
        pytest.fail(f"CI needs a Docker engine: {reason}")
    pytest.skip(f"no Docker engine: {reason}")


@pytest.fixture(scope="session")
def private_engine(tmp_path_factory):
    """An engine that nobody else uses; it has no image."""
    if not can_start():
        no_engine("only root can start dockerd, and it must be installed (apt-get install docker.io)")
    engine = PrivateEngine(tmp_path_factory.mktemp("engine")).start()
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def engine(request):
    """The environment's engine, or a private one; it has the sandbox's image."""
    try:
        found = Engine.connect()
    except MissingPrerequisite:
        found = request.getfixturevalue("private_engine").connect()
    try:
        find_image(found)
    except MissingPrerequisite:
        build_image(found, "interpreter")
    yield found
    found.close()


@pytest.fixture(scope="session")
def docker(engine):
    with DockerSandbox(engine=Engine(engine.api, engine.address)) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def bait():
    with Bait() as bait:
        yield bait


@pytest.fixture
def run_inside(bubblewrap):
    """Run a function body in bubblewrap and return its value; anything else fails the test."""

    def run(body, limits=None):
        source = "def f():\n" + "".join(f"    {line}\n" for line in body.splitlines())
        result = bubblewrap.call_function(source, "f", [[]], limits)[0]
        assert result.ok, result
        return result.value

    return run
