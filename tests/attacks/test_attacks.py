"""The quick part of `make attack`: each door is tried, and everything holds.

Issue 11, kinds 1, 2, 3, 5, 9, 12 and 19. The time of /healthz is for `make attack`, on a quiet machine.
"""

import pytest

from tests.attacks.matrix import ATTACKS, attempt
from tests.attacks.target import target

QUICK = [attack for attack in ATTACKS if attack.quick]


@pytest.fixture(scope="module")
async def service():
    async with target() as opened:
        yield opened


@pytest.mark.parametrize("attack", QUICK, ids=lambda attack: f"{attack.door}: {attack.name}")
async def test_an_attack_changes_and_learns_nothing(service, attack):
    held, seen = await attempt(attack, service)
    assert held, seen
