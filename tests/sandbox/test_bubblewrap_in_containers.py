"""Bubblewrap inside a container, where namespaces are forbidden and control groups can only be read."""

import os
import sys
from pathlib import Path

import pytest

from evolvent_sandbox.containers.backend import find_image

pytestmark = pytest.mark.docker


INSIDE = (
    "from evolvent.errors import MissingPrerequisite\n"
    "from evolvent_sandbox.bubblewrap import BubblewrapSandbox\n"
    "try:\n"
    "    with BubblewrapSandbox() as sandbox:\n"
    "        print(sandbox.call_function('def f(): return 41 + 1', 'f', [[]])[0].value)\n"
    "        print(sandbox.describe()['memory'])\n"
    "        print(sandbox.describe()['start'])\n"
    "except MissingPrerequisite as error: print('missing:', error.what, error.command)\n"
)
CHECKED = (
    "import os\n"  # the bait must not be in process 1: there is one of that number in every guest
    "if (child := os.fork()): raise SystemExit(os.waitpid(child, 0)[1] != 0)\n"
    "from evolvent.testing.attack_range import Bait, run_attack\n"
    "from evolvent.testing.programs import attacks\n"
    "from evolvent.testing.sandbox_checks import CHECKS\n"
    "from evolvent_sandbox.bubblewrap import BubblewrapSandbox\n"
    "with BubblewrapSandbox() as sandbox, Bait() as bait:\n"
    "    for _, _, check in CHECKS: check(sandbox)\n"
    "    for attack in attacks():\n"
    "        if attack.category != 'resources':\n"
    "            result = run_attack(sandbox, attack, bait)\n"
    "            assert result.contained, (attack.name, result.breaches)\n"
    "print('all contained')\n"
)


def run_in_a_container(engine, *security, program=INSIDE, user="0:0", seconds=60, **more):
    """Run a program with this Python in a container of the sandbox's image; return what it printed."""
    image, _ = find_image(engine)
    scratch = "/scratch"
    places = {"/usr", sys.prefix, sys.base_prefix, str(Path(__file__).parents[2])}
    with engine.asking("run a container") as api:
        config = api.create_host_config(
            network_mode="none",
            binds=[f"{p}:{p}:ro" for p in places],
            security_opt=list(security),
            tmpfs={scratch: "mode=1777,exec"},
        )
        config.update(more)
        container = api.create_container(
            image,
            [sys.executable, "-c", program],
            host_config=config,
            environment={
                "HOME": scratch,
                "TMPDIR": scratch,
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            user=user,
        )["Id"]
        try:
            api.start(container)
            api.wait(container, timeout=seconds)
            return api.logs(container).decode()
        finally:
            api.remove_container(container, force=True)


def test_where_namespaces_are_forbidden_the_error_says_how_to_allow_them(engine):
    said = run_in_a_container(engine)
    assert "missing: bubblewrap may not make namespaces here" in said
    assert "--security-opt seccomp=unconfined" in said


@pytest.mark.parametrize("user", ["0:0", "10001:10001"])
def test_with_the_options_of_the_error_it_works_and_memory_is_watched(engine, user):
    said = run_in_a_container(engine, "seccomp=unconfined", "apparmor=unconfined", user=user).splitlines()
    assert said[0] == "42", said
    assert "watched by a thread" in said[1]
    assert "guests have an empty one" in said[2]


def test_with_the_whole_of_proc_guests_get_one_and_are_forked(engine):
    said = run_in_a_container(  # the empty lists are what the client makes of systempaths=unconfined
        engine, "seccomp=unconfined", "apparmor=unconfined", MaskedPaths=[], ReadonlyPaths=[]
    ).splitlines()
    assert said[0] == "42", said
    assert "forked from one warm process" in said[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_a_proc_the_contract_holds_and_attacks_are_contained(engine):
    options = ("seccomp=unconfined", "apparmor=unconfined", "no-new-privileges:true")
    said = run_in_a_container(
        engine, *options, program=CHECKED, user="10001:10001", seconds=500, CapDrop=["ALL"]
    )
    assert said.splitlines()[-1] == "all contained", said
