"""Every hostile program against every sandbox that isolates; the ordinary ones are part of the contract."""

import pytest

from evolvent.testing.attack_range import run_attack
from evolvent.testing.programs import attacks

NEEDS_A_CONTROL_GROUP = {"socket_buffers"}
"""What a thread that adds up memory does not see: buffers in the kernel."""

every_attack = pytest.mark.parametrize(
    "attack", [pytest.param(attack, id=f"{attack.category}-{attack.name}") for attack in attacks()]
)


@every_attack
def test_bubblewrap_contains(bubblewrap, bait, attack):
    result = run_attack(bubblewrap, attack, bait)
    assert result.contained, result


@pytest.mark.docker
@every_attack
def test_docker_contains(docker, bait, attack):
    result = run_attack(docker, attack, bait)
    assert result.contained, result


@pytest.mark.parametrize(
    "attack",
    [attack for attack in attacks("resources") if attack.name not in NEEDS_A_CONTROL_GROUP],
    ids=lambda attack: attack.name,
)
def test_bubblewrap_without_a_control_group_contains(watched_bubblewrap, bait, attack):
    result = run_attack(watched_bubblewrap, attack, bait)
    assert result.contained, result
