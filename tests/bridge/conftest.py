"""Fixtures that several tests of rooms share."""

import pytest
from uuid_utils import uuid7

from tests.bridge.asking import LAYERS, OBJECTIVES
from tests.calling import call


@pytest.fixture
def study(bridge):
    """Opens studies, each with an id of its own."""

    async def create(**fields):
        request = {"study_id": f"study-{uuid7()}", "space": LAYERS, "objectives": OBJECTIVES}
        return (await call(bridge, "create_study", request | fields)).study_id

    return create
