"""What keeps services within their capacity: reported by replicas, shown over all of them, told to Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrollintel.security.access import Binding, Role
from scrollintel.testing import ManualClock

from .rig import bearer, serving
from .test_access_matrix import token_of
from .test_scrape import joined, of, report, scraped

Json = dict[str, Any]  # Any: JSON values
ZEROS = {f"{what}_{one}": 0 for what in ("served", "shed") for one in
         ("critical_plus", "critical", "sheddable_plus", "sheddable")}  # fmt: skip


def detector(state: str = "normal", reason: str = "", **figures: float) -> list[Any]:
    """Return the row of a detector."""
    return ["search", "metastability", None, state, reason, {"share": 1.0, "rejections": 0, **figures}]


def pool(state: str = "whole", ejected: int = 0, ejections: int = 0) -> list[Any]:
    """Return the row of a pool of four hosts."""
    return ["shards", "pool", None, state, "", {"hosts": 4, "ejected": ejected, "ejections": ejections}]


def host(state: str | None = "ejected") -> list[Any]:
    """Return the row of a host that is out, or is back."""
    return ["shards", "host", "b", state, "5 failures in a row", {"returns_in": 30}]


def fallback(state: str = "warm", member: str = "copy", **figures: int) -> list[Any]:
    """Return the row of a fallback that runs beside calls."""
    return ["search", "fallback", member, state, "its last 3 runs did not work" if state == "cold" else "", figures]


def limits(limit: int = 10, running: int = 2, waiting: int = 0, throttled: float = 0.0) -> list[Any]:
    """Return the row of a policy with an adaptive limit and a throttle."""
    return ["search", 1, None, None, None, None, *[0] * 8, None, None, None, limit, running, waiting, throttled, 3, 4]


async def items(client: httpx2.AsyncClient, query: str = "", headers: dict[str, str] | None = None) -> list[Json]:
    """Return the parts that are listed."""
    answer = await client.get(f"/capacity{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["items"]
    return found


@pytest.mark.asyncio
async def test_capacity_is_listed_over_the_replicas_of_a_service(tmp_path: Path) -> None:
    """The worst state counts, with its sentence; what acts can be asked for, and so can a kind or a name."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        cold = fallback("cold", worked=1, failed=3)
        await report(
            client, one, full=True, parts=[detector(), pool("reduced", 1, 1), host(), cold], policies=[limits()]
        )
        shedding = detector("shedding", "retries are high", share=0.2, rejections=5)
        await report(client, two, full=True, parts=[shedding, pool()], policies=[limits(20, 20, 4, 0.5)])
        listed = {(item["name"], item["kind"], item["member"]): item for item in await items(client)}
        assert list(listed) == [
            ("search", "fallback", "copy"), ("search", "limit", None), ("search", "metastability", None),
            ("search", "throttle", None), ("shards", "host", "b"), ("shards", "pool", None),
        ]  # fmt: skip
        found = listed["search", "metastability", None]
        assert found == {
            "kind": "metastability", "name": "search", "member": None, "service": "orders", "state": "shedding",
            "acting": True, "replicas": 2, "stale_replicas": 0, "states": {"normal": 1, "shedding": 1},
            "figures": {"share": 0.2, "rejections": 5},
            "why": "An overload keeps itself alive on 1 of 2 replicas, so 20.0% of the calls pass: retries are high. "
                   "Shed for that so far: 5 calls.",
        }  # fmt: skip
        assert listed["shards", "host", "b"]["why"] == (
            "It gets no calls on 1 of 2 replicas: 5 failures in a row; it comes back in 30 s."
        )
        assert listed["search", "limit", None]["figures"] == {
            "limit": 30, "running": 22, "waiting": 4, "rejections": 6,
        }  # fmt: skip
        assert listed["search", "fallback", "copy"]["figures"]["success_share"] == 0.25
        assert [item["kind"] for item in await items(client, "?kind=pool&kind=host")] == ["host", "pool"]
        assert {item["name"] for item in await items(client, "?search=SHARD")} == {"shards"}
        assert {item["name"] for item in await items(client, "?name=shards")} == {"shards"}
        assert await items(client, "?name=shard") == await items(client, "?service=other") == []
        assert [item["kind"] for item in await items(client, "?acting=false")] == []
        await report(client, two, parts=[detector()])
        assert [item["kind"] for item in await items(client, "?acting=false")] == ["metastability"]
        page = (await client.get("/capacity?limit=4")).json()
        rest = (await client.get(f"/capacity?limit=4&cursor={page['next_cursor']}")).json()
        assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [4, 2, None]


@pytest.mark.asyncio
async def test_capacity_of_a_name_is_shown_on_each_replica(tmp_path: Path) -> None:
    """With what each reports; a name that nobody reports is not found."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        await report(client, one, full=True, parts=[pool("reduced", 1, 2), host()])
        await report(client, two, full=True, parts=[pool()])
        shown = (await client.get("/capacity/shards")).json()
        assert [part["kind"] for part in shown["parts"]] == ["pool", "host"]
        rows = {row["replica"]: row for row in shown["parts"][0]["on_replicas"]}
        assert (rows["one"]["state"], rows["two"]["state"]) == ("reduced", "whole")
        assert rows["one"]["figures"] == {"hosts": 4, "ejected": 1, "ejections": 2}
        answer = await client.get("/capacity/nowhere")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.asyncio
async def test_replica_that_has_fallen_silent_counts_no_more(tmp_path: Path) -> None:
    """What it said last is told beside, and only where nobody else speaks."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        await report(client, one, full=True, parts=[pool("reduced", 1, 1), host()])
        await report(client, two, full=True, parts=[pool("panics", 3, 3), detector("suspected", "retries are high")])
        clock.advance(10.0)
        await report(client, one)
        found = {item["kind"]: item for item in await items(client)}
        assert (found["pool"]["state"], found["pool"]["stale_replicas"]) == ("reduced", 1)
        assert found["pool"]["why"] == "1 of 4 hosts is taken out, because they failed more than the others."
        assert found["host"]["why"] == "It gets no calls: 5 failures in a row; it comes back in 30 s."
        assert found["metastability"]["why"].endswith("That was so when the last replica fell silent.")


@pytest.mark.asyncio
async def test_part_that_is_gone_is_shown_no_more(tmp_path: Path) -> None:
    """A host that is back, a policy without its detector, a replica that joins anew or leaves."""
    async with serving(tmp_path) as (client, use_cases):
        one = await joined(client)
        await report(client, one, full=True, parts=[pool("reduced", 1, 1), host(), detector()])
        await report(client, one, parts=[host(None), pool()])
        assert [item["kind"] for item in await items(client)] == ["metastability", "pool"]
        await report(client, one, full=True, parts=[pool()])
        assert [item["kind"] for item in await items(client)] == ["pool"]
        (session,) = use_cases.plane.fleet.sessions()
        assert len(session.parts) == 1
        await client.delete(f"/replicas/{one}")
        assert await items(client) == []


@pytest.mark.asyncio
async def test_replicas_of_versions_one_apart_are_understood(tmp_path: Path) -> None:
    """An older one tells of no parts, a newer one of kinds that nobody here knows."""
    async with serving(tmp_path) as (client, _):
        old, new = await joined(client), await joined(client, "new")
        await report(client, old, full=True, policies=[limits()[:10]])
        await report(client, new, full=True, parts=[["x", "later", None, "odd", "", {}], [*pool(), "more"]])
        assert [item["kind"] for item in await items(client)] == ["pool"]


@pytest.mark.asyncio
async def test_report_with_a_malformed_part_is_refused(tmp_path: Path) -> None:
    """The replica is told, and nothing of the report is taken."""
    async with serving(tmp_path) as (client, _):
        one = await joined(client)
        rows = [pool(), ["p", "pool", None, "whole", "", []]]
        refused = await client.post(f"/replicas/{one}/report", json={"full": True, "parts": rows})
        assert (refused.status_code, refused.json()["code"]) == (422, "protocol_error")
        assert await items(client) == []


@pytest.mark.asyncio
async def test_capacity_is_shown_to_those_who_may_see_the_service(tmp_path: Path) -> None:
    """Two services with a pool of one name: whoever may see one of them sees its replicas alone."""
    async with serving(tmp_path) as (client, use_cases):
        for service in ("orders", "stock"):
            session = await joined(client, f"of-{service}", service)
            await report(client, session, full=True, parts=[pool()])
        viewer = bearer(await token_of(use_cases, Binding(Role.VIEWER, ("stock",))))
        assert [item["service"] for item in await items(client)] == ["orders", "stock"]
        assert [item["service"] for item in await items(client, headers=viewer)] == ["stock"]
        shown = (await client.get("/capacity/shards", headers=viewer)).json()
        assert [part["service"] for part in shown["parts"]] == ["stock"]


@pytest.mark.asyncio
async def test_scrape_tells_of_parts_as_a_process_does(tmp_path: Path) -> None:
    """The same names with the service beside them: the worst replica of gauges, and sums of counts."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        server = ["api", "admission", None, "shedding", "",
                  {"limit": 10, "running": 3, "waiting": 1, "threshold": 300, "expired": 2, **ZEROS,
                   "served_critical": 8, "shed_sheddable": 5}]  # fmt: skip
        cold = fallback("cold", worked=1, failed=3)
        await report(client, one, full=True, parts=[detector(), pool("reduced", 1, 1), host(), cold, server])
        shedding = detector("shedding", share=0.2, rejections=5)
        other = fallback("warm", "cache", worked=4, late=1)
        await report(client, two, full=True, parts=[shedding, pool(), fallback("cold", worked=2), other, server])
        samples = await scraped(client)
        policy = {"policy": "search", "service": "orders"}
        assert of(samples, "metastable", **policy) == 1
        assert of(samples, "metastable_admitted_share", **policy) == 0.2
        assert of(samples, "metastable_shed_total", **policy) == 5
        assert of(samples, "fallbacks_cold", **policy) == 1
        runs = [
            of(samples, "fallback_shadow_runs_total", **policy, outcome=one) for one in ("worked", "failed", "late")
        ]
        assert runs == [7, 3, 1]
        api = {"server": "api", "service": "orders"}
        found = [of(samples, f"admission_{what}", **api) for what in ("limit", "running", "waiting", "threshold_level")]
        assert found == [20, 6, 2, 300]
        assert of(samples, "admission_expired_total", **api) == 4
        shed = {**api, "criticality": "sheddable", "outcome": "shed"}
        assert of(samples, "admission_requests_total", **shed) == 10
        assert of(samples, "admission_requests_total", **{**shed, "outcome": "served"}) == 0
        shards = {"pool": "shards", "service": "orders"}
        assert [of(samples, "pool_hosts", **shards, state=state) for state in ("admitted", "ejected")] == [3, 1]
        assert of(samples, "pool_ejections_total", **shards) == 1
        assert of(samples, "pool_panics", **shards) == 0


@pytest.mark.asyncio
async def test_scrape_counts_of_parts_never_fall(tmp_path: Path) -> None:
    """Neither when a replica leaves nor when it begins anew; and what was counted before a new join counts once."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        shards = {"pool": "shards", "service": "orders"}
        await report(client, one, full=True, parts=[pool(ejections=3)])
        await report(client, two, full=True, parts=[pool(ejections=4)])
        await client.delete(f"/replicas/{two}")
        assert of(await scraped(client), "pool_ejections_total", **shards) == 7
        await report(client, one, parts=[pool(ejections=5)])
        await report(client, one, parts=[pool(ejections=1)])  # its process has made another pool of that name
        assert of(await scraped(client), "pool_ejections_total", **shards) == 10
        again = await joined(client)
        await report(client, again, full=True, parts=[pool(ejections=1)])
        assert of(await scraped(client), "pool_ejections_total", **shards) == 10
        await report(client, again, parts=[pool(ejections=2)])
        assert of(await scraped(client), "pool_ejections_total", **shards) == 11


@pytest.mark.asyncio
async def test_scrape_of_more_parts_than_the_maximum_is_bounded_and_says_so(tmp_path: Path) -> None:
    """The first ones by name are told, and how many more there are."""
    async with serving(tmp_path) as (client, use_cases):
        use_cases.metrics.max_circuits = 1
        await report(client, await joined(client), full=True, parts=[detector(), pool()])
        samples = await scraped(client)
        assert of(samples, "metastable", policy="search", service="orders") == 0
        assert of(samples, "pool_panics", pool="shards", service="orders") is None
        assert of(samples, "metrics_omitted", kind="capacity") == 1


@pytest.mark.asyncio
async def test_summary_tells_in_a_line_each_what_acts(tmp_path: Path) -> None:
    """Nothing when all is calm, nothing of services that the caller may not see, nothing of hosts beside their pool."""
    clock = ManualClock()
    async with serving(tmp_path, clock=clock) as (client, use_cases):
        one, two = await joined(client), await joined(client, "two")
        await report(client, one, full=True, parts=[detector(), pool(), fallback()], policies=[limits()])
        summary = (await client.get("/health/summary")).json()
        assert (summary["capacity"], summary["sentence"]) == ([], "Everything is in order.")
        server = ["api", "admission", None, "shedding", "", {"limit": 9, "running": 9, "threshold": 120}]
        parts = [
            detector("shedding", "retries are high", share=0.6),
            pool("reduced", 2),
            host(),
            fallback("cold"),
            server,
        ]
        await report(client, two, full=True, parts=[*parts, ["new", "pool", None, "melting", "", {}]])
        summary = (await client.get("/health/summary")).json()
        assert summary["capacity"] == [
            "server api refuses requests below level 120 of 500",
            "pool new is melting",
            "detector of search sheds 40 %",
            "fallback copy of search has not worked lately",
            "pool shards has 2 of 4 hosts out",
        ]
        assert summary["sentence"] == "5 parts of the capacity need a look."
        await report(client, two, parts=[detector("suspected"), pool("panics", 3), *[[*row[:3], None, "", {}] for row in
                                         (host(), fallback(), server, ["new", "pool", None])]])  # fmt: skip
        assert (await client.get("/health/summary")).json()["capacity"] == [
            "detector of search suspects an overload that keeps itself alive",
            "pool shards has 3 of 4 hosts out, so all are used",
        ]
        viewer = bearer(await token_of(use_cases, Binding(Role.VIEWER, ("billing",))))
        assert (await client.get("/health/summary", headers=viewer)).json()["capacity"] == []
        clock.advance(60)
        assert (await client.get("/health/summary")).json()["capacity"] == []
