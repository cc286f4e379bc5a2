"""The attack suite itself: that it is complete, and that its watcher would see a breach."""

import ast
import os
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from evolvent.errors import UsageError
from evolvent.testing.attack_range import Bait, run_attack
from evolvent.testing.programs import BENIGN, EXPECTED, HOSTILE, Attack, attacks, benign_programs
from evolvent.types import CallResult, Limits

CATEGORIES = {
    "commands",
    "filesystem",
    "host",
    "network",
    "persistence",
    "resources",
    "secrets",
    "sessions",
    "verdicts",
}


def test_there_are_enough_programs_of_every_kind():
    found = attacks()
    assert {attack.category for attack in found} == CATEGORIES
    assert len(found) >= 60
    assert len(benign_programs()) >= 30
    assert all(attack.description.endswith(".") for attack in found)


@pytest.mark.parametrize("folder", [HOSTILE, BENIGN])
def test_names_are_unique(folder):
    names = [
        node.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]
    assert len(names) == len(set(names))


def test_expected_values_belong_to_programs():
    import json

    assert set(json.loads(EXPECTED.read_text())) == {program.name for program in benign_programs()}


def test_attacks_are_chosen_by_category_or_name():
    assert {attack.category for attack in attacks("network")} == {"network"}
    assert [attack.name for attack in attacks("fork_storm")] == ["fork_storm"]
    with pytest.raises(KeyError, match=r"'no-such'.*fork_storm"):
        attacks("no-such")


def test_defaults_of_a_program_are_its_limits():
    (attack,) = attacks("leaves_sparse_giants")
    assert attack.limits.file_bytes == 2**44
    assert attack.way == "command"
    assert attacks("asks_for_everything")[0].way == "session"


# --- the bait ---


@pytest.fixture
def bait():
    with Bait() as bait:
        yield bait


def stop_the_victim(told):
    os.kill(told["victim_pid"], signal.SIGSTOP)
    time.sleep(0.1)


def kill_the_victim(told):
    os.kill(told["victim_pid"], signal.SIGKILL)
    time.sleep(0.1)


def send_a_datagram(told):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(b"x", ("127.0.0.1", told["udp_port"]))


def call_the_socket_file(told):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(told["socket_file"])


def call_the_abstract_socket(told):
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect("\0" + told["abstract"])


@pytest.mark.parametrize(
    ("disturb", "seen"),
    [
        (lambda told: socket.create_connection(("127.0.0.1", told["tcp_port"])).close(), "loopback TCP"),
        (send_a_datagram, "loopback UDP"),
        (call_the_socket_file, "socket file"),
        (call_the_abstract_socket, "abstract socket"),
        (lambda told: Path(told["canary"]).write_text("x"), "changed files"),
        (lambda told: os.chmod(told["private"], 0o644), "changed files"),
        (lambda told: os.mkdir(told["folder"] + "/new"), "changed files"),
        (kill_the_victim, "killed a process"),
        (stop_the_victim, "stopped or slowed down"),
        (lambda told: os.setpriority(os.PRIO_PROCESS, told["victim_pid"], 5), "stopped or slowed down"),
    ],
)
def test_the_bait_notices_what_is_done_to_it(bait, disturb, seen):
    assert bait.disturbed() == []
    disturb(bait.told())
    assert any(seen in text for text in bait.disturbed())


def test_the_bait_keeps_its_secret(bait):
    assert bait.token not in str(bait.told())
    assert bait.token in os.environ["EVOLVENT_CANARY"]


# --- the judge ---


def attack(limits=None):
    return Attack("f", "test", "Tries.", "def f(bait): return []", "call", limits or Limits(wall_seconds=1))


def playing(value, probes=({"left": []}, {"left": []}), isolates=True):
    """Return a sandbox that gives chosen values: for the probe before, the attack, and the probe after it."""
    answers = [CallResult(outcome="value", value=v) for v in (probes[0], value, probes[1])]
    call = lambda *_: [answers.pop(0)]  # noqa: E731
    server = SimpleNamespace(call_function=call)
    return SimpleNamespace(name="fake", isolates=isolates, call_function=call, forkserver=lambda: server)


def test_an_attack_that_gets_nothing_is_contained(bait):
    assert run_attack(playing([]), attack(), bait).contained


@pytest.mark.parametrize(
    ("value", "breach"),
    [(["read /etc/shadow"], "read /etc/shadow"), ("forged", "returned 'forged'"), ({"a": 1}, "returned")],
)
def test_what_an_attack_claims_is_a_breach(bait, value, breach):
    assert breach in run_attack(playing(value), attack(), bait).breaches[0]


def test_an_attack_that_knows_the_secret_has_read_it(bait):
    assert "read a secret of the host" in run_attack(playing([f"x{bait.token}"]), attack(), bait).breaches


def test_an_attack_that_leaves_something_is_no_more_contained(bait):
    result = run_attack(playing([], ({"left": []}, {"left": ["file"]})), attack(), bait)
    assert result.breaches == ("left left changed: ['file']",)


def test_a_sandbox_that_does_not_isolate_is_never_attacked(bait):
    with pytest.raises(UsageError, match="isolates nothing"):
        run_attack(playing([], isolates=False), attack(), bait)
