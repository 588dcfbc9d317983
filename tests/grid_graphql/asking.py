"""Ask Thundergrid in this process."""

from __future__ import annotations

from typing import Any

from strawberry.types import ExecutionResult

from bridge.api.bridge import Bridge
from grid_graphql.asking import Context
from grid_graphql.schema import Thundergrid
from tests.calling import TESTER


async def answer(schema: Thundergrid, bridge: Bridge, query: str, **variables: Any) -> Any:
    """The data that a query answers, which has no errors."""
    result = await schema.execute(query, variable_values=variables, context_value=Context(bridge, TESTER))
    assert isinstance(result, ExecutionResult)
    assert result.errors is None
    return result.data
