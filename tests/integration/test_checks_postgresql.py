"""PostgreSQL checks against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrollintel.outbound.policy import OutboundPolicy
from scrollintel.recovery.symptom import Depth, FailureType, Look
from scrollintel.recovery.target import Check, Target
from scrollintel.watch.checks.postgresql import PostgresOptions, PostgresProbe
from scrollintel.watch.kinds import ProbeContext
from tests.servers.postgres import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """Return a server of its own, reached by a socket whose path is known."""
    with Postgres() as started:
        yield started


async def look(url: str, policy: OutboundPolicy, *, role: str | None = None) -> Look:
    """Look once."""
    check = Check(name="c", kind="postgresql", depth=Depth.READY, timeout=10.0)
    options = PostgresOptions(url=url, role=role)
    return await PostgresProbe(
        Target(name="t", service="t"), check, options, ProbeContext(policy, lambda _: None)
    ).look()


@pytest.mark.asyncio
async def test_postgresql_check_of_a_real_server_answers_and_knows_its_role(server: Postgres) -> None:
    """A primary answers, and is not the standby that was expected."""
    policy = OutboundPolicy(private=(f"unix:{server.folder}",))
    assert (await look(server.url(), policy, role="primary")).good
    other = await look(server.url(), policy, role="standby")
    assert (other.good, other.failure_type) == (False, FailureType.NOT_READY)
    assert not (await look(server.url(), OutboundPolicy())).good


@pytest.mark.asyncio
async def test_postgresql_check_with_a_second_host_in_its_address_goes_where_was_checked(server: Postgres) -> None:
    """An address that libpq prefers does not lead past the policy: the socket that was allowed is used."""
    policy = OutboundPolicy(private=(f"unix:{server.folder}",))
    assert (await look(f"{server.url()}&hostaddr=10.255.255.1", policy)).good
