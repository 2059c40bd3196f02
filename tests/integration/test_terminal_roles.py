"""The dashboard of the terminal with the real control plane telling what a role may do."""

from __future__ import annotations

import pytest

from .terminal_rig import terminal
from .test_terminal_dashboard import Shop, shop, works  # noqa: F401  # the fixture is used by its name


@pytest.mark.asyncio
async def test_viewer_is_not_offered_what_the_operator_is(shop: Shop) -> None:  # noqa: F811
    """The control plane says who may steer the circuit; keys that it would refuse are neither shown nor heard."""
    shop.circuit("books").call(works)
    for role, offered in (("operator", True), ("viewer", False)):
        async with terminal(shop.program.url, shop.token(role)) as shown:
            await shown.press("2")
            await shown.sees("books", f"as {role}")
            await shown.press("slash")
            await shown.write("books")
            await shown.press("enter", "enter")
            await shown.sees("Calls pass")
            assert ("Isolate" in shown.keys) is offered
            await shown.press("i")
            await shown.sees("is refused on all replicas" if offered else "Calls pass")
            assert ("Do nothing" in shown.text) is offered
