"""The calls that decided a circuit's state, on their way from a replica to whoever looks at the circuit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.core.evidence import DecidingCall, DecidingSpan, Evidence
from scrollintel.service.recent_transitions import KEPT, WITH_EVIDENCE

from .rig import serving
from .test_replicas import join

CALLS = (DecidingCall("success"), DecidingCall("slow", None, 98.0, 2.5), DecidingCall("failure", "OSError", 99.5, 0.25))
EVIDENCE = Evidence(
    rule="time", total=3, failures=1, slow=1, calls=CALLS, spans=(DecidingSpan(90.0, 3, 1, 1),)
).to_dict()  # fmt: skip
SHOWN: dict[str, Any] = {
    **EVIDENCE,
    "calls": [
        EVIDENCE["calls"][0],
        {**EVIDENCE["calls"][1], "at": "1970-01-01T00:01:38Z"},
        {**EVIDENCE["calls"][2], "at": "1970-01-01T00:01:39.500000Z"},
    ],
    "spans": [{**EVIDENCE["spans"][0], "start": "1970-01-01T00:01:30Z"}],
}


def opened(at: float, evidence: object, old: str = "closed") -> dict[str, object]:
    """Return the fact that a circuit has opened."""
    return {
        "event": "circuit.state_changed", "policy": "payments", "at": at, "old": old, "new": "open",
        "reason": "down", "evidence": evidence,
    }  # fmt: skip


async def tell(client: httpx2.AsyncClient, replica: str, *facts: dict[str, object]) -> None:
    """Report facts."""
    circuits = [["payments", None, "open", "down", 1.0, 5.0, *[0] * 8, 0, 1, *[None] * 7, 0]]
    body = {"circuits": circuits, "facts": facts}
    assert (await client.post(f"/replicas/{replica}/report", json=body)).status_code == 204


async def shown(client: httpx2.AsyncClient) -> list[Any]:
    """Return what decided each change of the circuit, newest first."""
    circuit = (await client.get("/circuit-breakers/payments")).json()
    return [change["evidence"] for change in circuit["transitions"]]


@pytest.mark.asyncio
async def test_it_is_shown_with_the_circuit_and_kept_over_a_restart(tmp_path: Path) -> None:
    """With moments as the API writes them; not in the stream of facts, which everybody reads."""
    async with serving(tmp_path) as (client, use_cases):
        replica = (await join(client, "one")).json()["replica"]
        await tell(client, replica, opened(100.0, EVIDENCE), opened(101.0, None))
        assert await shown(client) == [None, SHOWN]
        assert "OSError" not in str([fact.data for fact in use_cases.plane.facts.recent(10)])
        await use_cases.ingest.flush()
    async with serving(tmp_path) as (client, _):
        await join(client, "one")
        assert await shown(client) == [None, SHOWN]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "odd",
    [
        "text",
        [],
        {},
        {**EVIDENCE, "rule": "mood"},
        {**EVIDENCE, "total": -1},
        {**EVIDENCE, "total": True},
        {**EVIDENCE, "slow": 1.5},
        {**EVIDENCE, "calls": EVIDENCE["calls"] * 7},
        {**EVIDENCE, "calls": [{"outcome": "well"}]},
        {**EVIDENCE, "calls": [{"outcome": "failure", "error": "x" * 201}]},
        {**EVIDENCE, "calls": [{"outcome": "failure", "error": "a\nb"}]},
        {**EVIDENCE, "calls": [{"outcome": "failure", "at": 1e300}]},
        {**EVIDENCE, "calls": [{"outcome": "failure", "seconds": "2"}]},
        {**EVIDENCE, "calls": ["failure"]},
        {**EVIDENCE, "spans": EVIDENCE["spans"] * 11},
        {**EVIDENCE, "spans": [{"start": 1.0}]},
        {**EVIDENCE, "spans": None},
    ],
)
async def test_change_is_kept_without_what_cannot_be_read(tmp_path: Path, odd: object) -> None:
    """A replica of another version, or one that lies, loses what it tells of the calls and nothing else."""
    async with serving(tmp_path) as (client, _):
        replica = (await join(client, "one")).json()["replica"]
        await tell(client, replica, opened(100.0, odd))
        assert await shown(client) == [None]


@pytest.mark.asyncio
async def test_what_is_not_asked_for_is_not_kept(tmp_path: Path) -> None:
    """Such as the text of an error."""
    talkative = {**EVIDENCE, "calls": [{**call, "message": "card 4111"} for call in EVIDENCE["calls"]], "more": 1}
    async with serving(tmp_path) as (client, _):
        replica = (await join(client, "one")).json()["replica"]
        await tell(client, replica, opened(100.0, talkative))
        assert await shown(client) == [SHOWN]


@pytest.mark.asyncio
async def test_only_the_newest_changes_are_at_hand_with_it(tmp_path: Path) -> None:
    """So that circuits that flap cost no memory."""
    async with serving(tmp_path) as (client, _):
        replica = (await join(client, "one")).json()["replica"]
        many = (opened(100.0 + number, EVIDENCE, "half_open") for number in range(WITH_EVIDENCE + 3))
        await tell(client, replica, *many)
        assert await shown(client) == [SHOWN] * WITH_EVIDENCE + [None] * 3


@pytest.mark.asyncio
@pytest.mark.parametrize("probes", [WITH_EVIDENCE + 3, KEPT, KEPT + 3])
async def test_what_opened_a_circuit_is_at_hand_however_often_it_was_probed_since(tmp_path: Path, probes: int) -> None:
    """It is what somebody asks who finds the circuit open after an hour; after a restart as well."""
    first = {**EVIDENCE, "rule": "count"}
    async with serving(tmp_path) as (client, use_cases):
        replica = (await join(client, "one")).json()["replica"]
        failed = (opened(101.0 + number, EVIDENCE, "half_open") for number in range(probes))
        await tell(client, replica, opened(100.0, first), *failed)
        found = await shown(client)
        assert found[-1]["rule"] == "count"
        assert len(found) == min(probes, KEPT) + 1
        await use_cases.ingest.flush()
    async with serving(tmp_path) as (client, _):
        await join(client, "one")
        assert await shown(client) == found
