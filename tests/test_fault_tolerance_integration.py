"""The public contract of the service: the REST API with its database, from outside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import func, select

from scrollintel import CircuitBreakerConfig, CircuitOpenError, ft_manager
from scrollintel.api.mounting import EMBEDDED
from scrollintel.api.routes.fault_tolerance_routes import router
from scrollintel.models.fault_tolerance_models import (
    CircuitBreakerConfiguration,
    CircuitBreakerState,
    FaultToleranceConfiguration,
    FaultToleranceMetrics,
    HealthCheck,
    RecoveryOperation,
    RetryConfiguration,
    RetryStatistics,
    ServiceDegradation,
    SystemFailure,
)
from scrollintel.service.use_cases import UseCases

from .servers.control_plane import client_of, control_plane

Running = tuple[httpx2.AsyncClient, UseCases]
FIRST = 2
"""Number of the audit record of the first change, behind the introduction of the key that signs the log."""


@pytest_asyncio.fixture
async def running(tmp_path: Path, database_url: str) -> AsyncIterator[Running]:
    """Give a client of a control plane on each database."""
    async with control_plane(tmp_path / "data", database_url) as both:
        yield both


def breaker(name: str, **fields: Any) -> dict[str, Any]:
    """Return a request body for a circuit breaker."""
    return {"configuration": {"name": name, **fields}}


# ---------------------------------------------------------------------------------------------------------- the tables


def test_tables_are_the_ten_documented_ones() -> None:
    """Every table that the documentation names can be imported from the front door, with its own name."""
    tables = {
        kind.__tablename__
        for kind in (
            CircuitBreakerConfiguration,
            CircuitBreakerState,
            RetryConfiguration,
            RetryStatistics,
            SystemFailure,
            RecoveryOperation,
            ServiceDegradation,
            HealthCheck,
            FaultToleranceMetrics,
            FaultToleranceConfiguration,
        )
    }
    assert len(tables) == 10


@pytest.mark.asyncio
async def test_created_circuit_breaker_is_on_disk_when_it_is_acknowledged(running: Running) -> None:
    """The row of its configuration and the audit record are there at the moment of the answer."""
    client, use_cases = running
    answer = await client.post("/circuit-breakers", json=breaker("payments", failure_threshold=7))
    assert answer.status_code == 201
    with use_cases.plane.database.reader() as connection:
        row = connection.execute(select(CircuitBreakerConfiguration.__table__)).mappings().one()
    assert (row["name"], row["failure_threshold"], row["revision"]) == ("payments", 7, 1)
    assert use_cases.plane.ledger.log.head.sequence == FIRST


@pytest.mark.asyncio
async def test_configuration_and_orders_survive_a_restart(tmp_path: Path, database_url: str) -> None:
    """What was acknowledged before a restart is there after it, unchanged."""
    async with control_plane(tmp_path / "data", database_url) as (client, _):
        await client.post("/circuit-breakers", json=breaker("payments", recovery_timeout=12.5))
        await client.post("/circuit-breakers/payments/isolate", json={"reason": "maintenance"})
        before = (await client.get("/circuit-breakers/payments")).json()
    async with control_plane(tmp_path / "data", database_url) as (client, _):
        after = (await client.get("/circuit-breakers/payments")).json()
    assert after == before
    assert after["state"] == "isolated"
    assert after["configured"]["configuration"]["recovery_timeout"] == 12.5


# --------------------------------------------------------------------------------------------------------- concurrency


@pytest.mark.asyncio
async def test_concurrent_creation_of_one_name_yields_one_winner_and_clean_conflicts(running: Running) -> None:
    """Of forty requests for the same name one creates it, and the others are told so."""
    client, use_cases = running
    answers = await asyncio.gather(
        *(client.post("/circuit-breakers", json=breaker("one", failure_threshold=n + 1)) for n in range(40))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 39]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_exists"}
    with use_cases.plane.database.reader() as connection:
        assert connection.execute(select(func.count()).select_from(CircuitBreakerConfiguration)).scalar() == 1


@pytest.mark.asyncio
async def test_concurrent_updates_of_one_revision_let_exactly_one_through(running: Running) -> None:
    """Those who were based on a revision that is gone are told the present one."""
    client, _ = running
    await client.post("/circuit-breakers", json=breaker("one"))
    answers = await asyncio.gather(
        *(
            client.put(
                "/circuit-breakers/one", json=breaker("one", failure_threshold=n + 10), headers={"If-Match": '"1"'}
            )
            for n in range(20)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 19]
    refused = next(answer for answer in answers if answer.status_code == 412)
    assert refused.headers["ETag"] == '"2"'


@pytest.mark.asyncio
async def test_the_same_idempotency_key_creates_once_and_answers_the_same(running: Running) -> None:
    """Eight requests at once and one later all get the first answer; another request under the key is refused."""
    client, use_cases = running
    headers = {"Idempotency-Key": "order-4711"}
    answers = await asyncio.gather(
        *(client.post("/circuit-breakers", json=breaker("once"), headers=headers) for _ in range(8))
    )
    later = await client.post("/circuit-breakers", json=breaker("once"), headers=headers)
    assert {answer.status_code for answer in [*answers, later]} == {201}
    assert len({answer.text for answer in [*answers, later]}) == 1
    assert later.headers["Idempotency-Replayed"] == "true"
    other = await client.post("/circuit-breakers", json=breaker("other"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert use_cases.plane.ledger.log.head.sequence == FIRST


# ------------------------------------------------------------------------------------------------------ error handling


@pytest.mark.asyncio
async def test_every_violation_is_told_at_once(running: Running) -> None:
    """Unknown fields and values out of range are listed together, as a problem document."""
    client, _ = running
    answer = await client.post(
        "/circuit-breakers", json={**breaker("", failure_threshold=0, surprise=True), "extra": 1}
    )
    document = answer.json()
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["code"] == "validation_failed"
    assert {item["field"] for item in document["violations"]} == {
        "configuration.name",
        "configuration.failure_threshold",
        "configuration.surprise",
        "extra",
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_json"),
        (b'{"reason": NaN}', "application/json", 400, "malformed_json"),
        (b'{"reason":"a","reason":"b"}', "application/json", 400, "malformed_json"),
        (b'{"reason":"\\ud800"}', "application/json", 400, "malformed_json"),
        (b"[" * 21 + b"]" * 21, "application/json", 400, "too_deep"),
        (b"[" * 100_000, "application/json", 400, "too_deep"),
        (b'{"reason":"' + b"x" * 1_048_577 + b'"}', "application/json", 413, "body_too_large"),
        (b'{"reason":"a"}', "text/plain", 415, "unsupported_media_type"),
        (b'{"reason":"\\u0000"}', "application/json", 422, "validation_failed"),
        (b'{"reason":""}', "application/json", 422, "validation_failed"),
    ],
)
async def test_bad_bodies_are_refused_with_their_reason(
    running: Running, content: bytes, kind: str, status: int, code: str
) -> None:
    """No body makes the service fail, and nothing is half applied."""
    client, use_cases = running
    await client.post("/circuit-breakers", json=breaker("payments"))
    answer = await client.post("/circuit-breakers/payments/isolate", content=content, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.get("/circuit-breakers/payments")).json()["order"] is None
    assert use_cases.plane.ledger.log.head.sequence == FIRST


@pytest.mark.asyncio
async def test_what_does_not_exist_is_a_problem_document_everywhere(running: Running) -> None:
    """An unknown circuit, an unknown path and a wrong method are told in the same form."""
    client, _ = running
    for answer, status in (
        (await client.get("/circuit-breakers/nothing"), 404),
        (await client.post("/circuit-breakers/nothing/reset"), 404),
        (await client.get("/no-such-thing"), 404),
        (await client.patch("/circuit-breakers"), 405),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.asyncio
async def test_without_the_database_reads_go_on_and_changes_are_refused_until_it_is_back(
    tmp_path: Path, database_url: str
) -> None:
    """The writer's connection is cut: changes get 503 with a time to come back, reads answer, and all heals."""
    async with control_plane(tmp_path / "data", database_url) as (client, use_cases):
        await client.post("/circuit-breakers", json=breaker("payments"))
        use_cases.plane.ledger._open.close()
        refused = await client.post("/circuit-breakers", json=breaker("later"))
        assert refused.status_code == 503
        assert refused.json()["code"] == "store_unavailable"
        assert int(refused.headers["Retry-After"]) >= 1
        assert (await client.get("/circuit-breakers/payments")).status_code == 200
        for _ in range(100):
            answer = await client.post("/circuit-breakers", json=breaker("later"))
            if answer.status_code == 201:
                break
            await asyncio.sleep(0.05)
        assert answer.status_code == 201


# -------------------------------------------------------------------------------------------- configuration management


@pytest.mark.asyncio
async def test_configuration_is_changed_by_revisions(running: Running) -> None:
    """Create, change under the right revision, delete, create again: numbers rise and are never used twice."""
    client, _ = running
    created = await client.post("/circuit-breakers", json={**breaker("payments"), "reason": "first"})
    assert created.headers["ETag"] == '"1"'
    assert created.headers["Location"].endswith("/circuit-breakers/payments")
    missing = await client.put("/circuit-breakers/payments", json=breaker("payments", timeout=5))
    assert (missing.status_code, missing.json()["code"]) == (428, "precondition_required")
    changed = await client.put(
        "/circuit-breakers/payments", json=breaker("payments", timeout=5), headers={"If-Match": '"1"'}
    )
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["configured"]["configuration"]["timeout"] == 5.0
    gone = await client.delete("/circuit-breakers/payments", headers={"If-Match": '"2"'})
    assert gone.status_code == 204
    assert (await client.get("/circuit-breakers/payments")).status_code == 404
    again = await client.post("/circuit-breakers", json=breaker("payments"))
    assert again.headers["ETag"] == '"4"'


@pytest.mark.asyncio
async def test_lists_are_paged_sorted_and_filtered(running: Running) -> None:
    """Cursors lead through all circuits once, whatever the size of a page."""
    client, _ = running
    names = [f"circuit-{number:02}" for number in range(25)]
    await asyncio.gather(*(client.post("/circuit-breakers", json=breaker(name)) for name in names))
    await client.post("/circuit-breakers/circuit-07/isolate", json={"reason": "test"})
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await client.get(
                "/circuit-breakers", params={"limit": 10, **({} if cursor is None else {"cursor": cursor})}
            )
        ).json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names
    worst = (await client.get("/circuit-breakers", params={"sort": "state", "limit": 1})).json()
    assert worst["items"][0]["name"] == "circuit-07"
    isolated = (await client.get("/circuit-breakers", params={"state": "isolated"})).json()
    assert [item["name"] for item in isolated["items"]] == ["circuit-07"]
    found = (await client.get("/circuit-breakers", params={"search": "CIRCUIT-1"})).json()
    assert len(found["items"]) == 10
    bad = await client.get("/circuit-breakers", params={"cursor": "nonsense"})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_cursor")


# ------------------------------------------------------------------------------------- mounted into a user's own app


@pytest.mark.asyncio
async def test_router_mounted_in_one_line_serves_the_process_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A circuit of this process is seen at once, with its failure, and steered; strangers are turned away."""
    monkeypatch.setenv("SCROLLINTEL_DATA_DIRECTORY", str(tmp_path / "mounted"))
    monkeypatch.delenv("SCROLLINTEL_DATABASE_URL", raising=False)
    app = FastAPI()
    app.include_router(router)
    config = CircuitBreakerConfig("mounted-dependency", failure_threshold=2, recovery_timeout=60)

    def broken() -> None:
        raise ConnectionError("down")

    try:
        async with client_of(app) as client:
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    ft_manager.execute_blocking(broken, circuit_breaker_config=config)
            shown = (await client.get("/circuit-breakers/mounted-dependency")).json()
            assert shown["state"] == "open"
            assert shown["counters"]["failures"] == 2
            assert shown["last_failure"]["type"] == "ConnectionError"
            assert shown["next_probe"] == pytest.approx(60, abs=5)
            assert "2 failures in a row" in shown["why"]
            assert (await client.post("/circuit-breakers/mounted-dependency/reset")).status_code == 200
            assert ft_manager.circuit_breaker("mounted-dependency").state == "closed"
            await client.post("/circuit-breakers/mounted-dependency/isolate", json={"reason": "by hand"})
            with pytest.raises(CircuitOpenError):
                ft_manager.execute_blocking(lambda: 1, circuit_breaker_config=config)
            assert (await client.get("/circuit-breakers/mounted-dependency")).json()["state"] == "isolated"
        async with client_of(app, peer="192.0.2.7") as stranger:
            assert (await stranger.get("/circuit-breakers")).status_code == 401
    finally:
        use_cases = await EMBEDDED.use_cases()
        await use_cases.stop()
        EMBEDDED.forget()
        ft_manager.registry.remove("mounted-dependency")
