"""`GET /metrics` of a control plane: what Prometheus reads there, in both formats, for whom, and without a database."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from scrollintel.core.machines.sketch import CLASSIC_BOUNDS
from scrollintel.recovery.target import Mode, Remedy
from scrollintel.replica.protocol import PROTOCOL
from scrollintel.security.access import Binding, Role
from scrollintel.telemetry.platform_families import CONTROL_PLANE

from ..programs import path_of
from ..servers.control_plane import BASE
from ..servers.outage import outage
from .recovery_rig import Led, acting, finished, recovering, start, token
from .rig import serving
from .watching_rig import ASKS, PATIENCE, Flags, Json, away, back, question_of, shown, watching

URL = f"{BASE}/metrics"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
EMPTY = [0] * (len(CLASSIC_BOUNDS) + 1)


async def scraped(client: httpx2.AsyncClient, **headers: str) -> Samples:
    """Return every sample of a scrape in text 0.0.4."""
    answer = await client.get(URL, headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text(answer.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    """Return one sample, or None when there is none."""
    return samples.get((f"scrollintel_{name}", frozenset(labels.items())))


def steps_of(recovery: Json) -> set[str]:
    """Return the steps that a recovery has begun."""
    return {step["step"] for step in recovery["steps"]}


async def joined(client: httpx2.AsyncClient, instance: str = "one", service: str = "orders") -> str:
    """Have a replica join and return its session."""
    body = {"protocol": PROTOCOL, "instance": instance, "service": service}
    answer = await client.post("/replicas", json=body)
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["replica"]
    return session


def row(name: str, state: str = "closed", *, key: str | None = None, **counts: Any) -> list[Any]:
    """Return the row of a circuit; counts are successes, failures and so on, and buckets with their mean."""
    names = ("successes", "failures", "slow", "rejections", "timeouts", "late", "ignored", "abandoned")
    tally = [counts.get(each, 0) for each in names]
    mean = counts.get("mean")
    return [
        name, key, state, "told", 1000.5, None, *tally, 0, 0, None, None, None, mean, None, None, None, 0,
        counts.get("buckets"),
    ]  # fmt: skip


async def report(client: httpx2.AsyncClient, session: str, *circuits: list[Any], **more: Any) -> None:
    """Report circuits as a replica does."""
    answer = await client.post(f"/replicas/{session}/report", json={"circuits": list(circuits), **more})
    assert answer.status_code == 204, answer.text


@pytest.mark.asyncio
async def test_scrape_of_circuits_merges_the_replicas_of_a_service(tmp_path: Path) -> None:
    """The worst state of a fresh replica counts, instances are counted by state, and counts are added up."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        await report(client, one, row("payments", successes=5, failures=1), full=True)
        await report(client, two, row("payments", "open", successes=2, failures=7, timeouts=3), full=True)
        samples = await scraped(client)
        place = {"circuit": "payments", "service": "orders"}
        assert of(samples, "circuit_state", **place, state="open") == 1
        assert of(samples, "circuit_state", **place, state="closed") == 0
        assert of(samples, "circuit_instances", **place, state="closed") == 1
        assert of(samples, "circuit_state_entered_timestamp_seconds", **place) == 1000.5
        assert of(samples, "circuit_attempts_total", **place, outcome="success") == 7
        assert of(samples, "circuit_attempts_total", **place, outcome="failure") == 8
        assert of(samples, "circuit_timeouts_total", **place) == 3
        assert of(samples, "circuits", state="open") == 1
        assert of(samples, "replicas", service="orders", state="live") == 2
        assert of(samples, "degradation_level", service="orders") == 0


@pytest.mark.asyncio
async def test_scrape_counts_never_fall_when_a_replica_leaves_or_begins_anew(tmp_path: Path) -> None:
    """A sum over present replicas would fall, which Prometheus takes for a restart and adds all of it again."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        place = {"circuit": "payments", "service": "orders"}
        buckets = [0, 3, *EMPTY[2:]]
        await report(client, one, row("payments", successes=3, buckets=buckets, mean=0.0015), full=True)
        await report(client, two, row("payments", successes=10), full=True)
        await client.delete(f"/replicas/{two}")
        await report(client, one, row("payments", successes=5, buckets=[0, 5, *EMPTY[2:]], mean=0.0015))
        await report(client, one, row("payments", successes=1, buckets=[1, 0, *EMPTY[2:]], mean=0.0005))  # was reset
        samples = await scraped(client)
        assert of(samples, "circuit_attempts_total", **place, outcome="success") == 16
        assert of(samples, "circuit_response_time_seconds_count", **place) == 6
        assert of(samples, "circuit_response_time_seconds_bucket", **place, le="0.0009765625") == 1
        assert of(samples, "circuit_response_time_seconds_bucket", **place, le="0.001953125") == 6
        assert of(samples, "circuit_response_time_seconds_sum", **place) == pytest.approx(0.008)


@pytest.mark.asyncio
async def test_scrape_of_a_replica_without_response_times_takes_its_counts(tmp_path: Path) -> None:
    """Replicas of a version that tells no buckets, or others, are counted as far as they tell."""
    async with serving(tmp_path) as (client, _):
        session = await joined(client)
        await report(client, session, row("old", successes=3)[:-1], row("new", successes=4, buckets=[1, 2]), full=True)
        samples = await scraped(client)
        for name, count in (("old", 3), ("new", 4)):
            place = {"circuit": name, "service": "orders"}
            assert of(samples, "circuit_attempts_total", **place, outcome="success") == count
            assert of(samples, "circuit_response_time_seconds_count", **place) == 0


@pytest.mark.asyncio
async def test_scrape_counts_changes_of_state_that_replicas_tell(tmp_path: Path) -> None:
    """A circuit that opens and closes between two scrapes is seen to have changed."""
    async with serving(tmp_path) as (client, _):
        session = await joined(client)
        facts = [
            {"event": "circuit.state_changed", "at": 1.0, "policy": "payments", "old": old, "new": new, "reason": "x"}
            for old, new in (("closed", "open"), ("open", "half_open"), ("half_open", "closed"))
        ]
        await report(client, session, row("payments"), facts=facts, full=True)
        samples = await scraped(client)
        assert of(samples, "circuit_state_changes_total", circuit="payments", service="orders") == 3


@pytest.mark.asyncio
async def test_scrape_of_policies_adds_up_their_parts_over_replicas(tmp_path: Path) -> None:
    """Counts and slots are added, and of retry budgets the poorest replica counts."""
    async with serving(tmp_path) as (client, _):
        one, two = await joined(client), await joined(client, "two")
        first = ["payments", 1, 4, 1, 2.5, 9.0, 6, 2, 3, 1, 5, 0, 0, 2, 10, 20.0, 10.0, 30, 6, 2, 0.5, 3, 1]
        second = ["payments", 1, 3, 0, 1.5, 0.5, 1, 0, 0, 0, 0, 0, 0, 0, 10, 20.0, 10.0, 12, 5, 0, 0.25, 1, 0]
        await report(client, one, policies=[first], full=True)
        await report(client, two, policies=[second], full=True)
        samples = await scraped(client)
        wanted = {
            "retries_total": 7, "retries_given_up_total": 2, "hedges_total": 2, "fallbacks_total": 3,
            "limit_rejections_total": 5, "abandoned_threads": 1, "bulkhead_running": 7, "bulkhead_waiting": 1,
            "bulkhead_limit": 20, "rate_limit_permits": 4, "rate_limit_capacity": 40, "retry_budget_tokens": 0.5,
            "retry_budget_reserve_tokens": 10, "adaptive_limit": 42, "adaptive_limit_running": 11,
            "adaptive_limit_waiting": 2, "adaptive_limit_rejections_total": 4, "throttle_share": 0.5,
            "throttle_rejections_total": 1,
        }  # fmt: skip
        place = {"policy": "payments", "service": "orders"}
        assert {name: of(samples, name, **place) for name in wanted} == wanted


@pytest.mark.asyncio
async def test_scrape_is_answered_in_the_format_that_is_asked_for(tmp_path: Path) -> None:
    """Both formats are read by Prometheus' own parsers and hold the same families."""
    async with serving(tmp_path) as (client, _):
        await report(client, await joined(client), row('pay\\ments\n"x"'.replace("\n", " "), successes=1), full=True)
        plain = await client.get(URL)
        assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert plain.headers["Vary"] == "Accept"
        prometheus = (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
        )
        modern = await client.get(URL, headers={"Accept": prometheus})
        assert modern.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        by_name = {family.name: family for family in openmetrics(modern.text)}
        known = {definition.family: definition for definition in CONTROL_PLANE}
        assert by_name.keys() <= known.keys()
        for name, family in by_name.items():
            definition = known[name]
            assert (family.type, family.unit) == (definition.kind.value, definition.unit)
            assert family.documentation == definition.help
        told = {definition.family for definition in known.values() if definition.name in plain.text}
        assert told == by_name.keys()
        names = {sample.labels["circuit"] for sample in by_name["scrollintel_circuit_state"].samples}
        assert names == {'pay\\ments "x"'}


@pytest.mark.needs("promtool")
@pytest.mark.asyncio
async def test_scrape_passes_the_checks_of_promtool(tmp_path: Path) -> None:
    """Names, units and help of everything are as Prometheus wants them."""
    flags = Flags(tmp_path / "flags")
    async with watching(tmp_path / "data", flags.target("web")) as (client, _):
        session = await joined(client)
        await report(client, session, row("payments", successes=1, buckets=[1, *EMPTY[1:]], mean=0.0001), full=True)
        answer = await client.get(URL)
    checked = subprocess.run(
        [path_of("promtool"), "check", "metrics"], input=answer.content, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout + checked.stderr == b""


@pytest.mark.asyncio
async def test_scrape_needs_a_token_where_access_is_enforced_and_shows_what_it_may_see(tmp_path: Path) -> None:
    """Without a token it is 401, without the permission 403, and a viewer of one service sees nothing of others."""
    async with serving(tmp_path, enforced=True) as (client, use_cases):
        admin = await token(use_cases, Binding(Role.ADMIN, ("*",)))
        for instance, service in (("one", "orders"), ("two", "billing")):
            replica = await token(use_cases, Binding(Role.REPLICA, (service,)))
            client.headers.update(replica)
            policies = [[f"of-{service}", 1, None, None, None, None, 0, 0, 0, 0]]
            levels = [[f"level-of-{service}", 2, "slow", True, 1.0]]
            session = await joined(client, instance, service)
            await report(client, session, row("shared", successes=2), policies=policies, levels=levels, full=True)
            body = {"configuration": {"name": f"idle-{service}"}, "service": service}
            (await client.post("/circuit-breakers", json=body, headers=admin)).raise_for_status()
        refused = await client.get(URL)
        assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
        del client.headers["Authorization"]
        stranger = await client.get(URL)
        assert stranger.status_code == 401
        assert stranger.headers["WWW-Authenticate"] == "Bearer"
        viewer = await token(use_cases, Binding(Role.VIEWER, ("orders",)))
        some, everything = await scraped(client, **viewer), await scraped(client, **admin)
        levels = {"level-of-orders", "level-of-billing"}
        for samples, seen, others in ((some, {"orders"}, set()), (everything, {"orders", "billing"}, levels)):
            found = [dict(labels) for _, labels in samples]
            assert {labels["service"] for labels in found if "service" in labels} == seen | others
            assert {labels["policy"] for labels in found if "policy" in labels} == {f"of-{each}" for each in seen}
            idle = {f"idle-{each}" for each in seen}
            assert {labels["circuit"] for labels in found if "circuit" in labels} == {"shared", *idle}
            assert of(samples, "circuits", state="closed") == 2 * len(seen)


@pytest.mark.asyncio
async def test_scrape_is_bounded_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    """Beyond the maximum circuits are told of in sums only."""
    async with serving(tmp_path, max_metric_circuits=2) as (client, _):
        await report(client, await joined(client), *(row(f"c{number}") for number in range(5)), full=True)
        samples = await scraped(client)
        named = {dict(labels).get("circuit") for name, labels in samples} - {None}
        assert named == {"c0", "c1"}
        assert of(samples, "metrics_omitted", kind="circuits") == 3
        assert of(samples, "circuits", state="closed") == 5


@pytest.mark.asyncio
async def test_scrape_tells_circuits_that_no_replica_reports(tmp_path: Path) -> None:
    """One that is only configured is closed, one that an operator holds open is isolated; neither has counts."""
    async with serving(tmp_path) as (client, _):
        for name in ("calm", "held"):
            body = {"configuration": {"name": name}}
            (await client.post("/circuit-breakers", json=body)).raise_for_status()
        (await client.post("/circuit-breakers/held/isolate", json={"reason": "test"})).raise_for_status()
        samples = await scraped(client)
        assert of(samples, "circuit_state", circuit="calm", service="", state="closed") == 1
        assert of(samples, "circuit_state", circuit="held", service="", state="isolated") == 1
        assert of(samples, "circuit_state_changes_total", circuit="calm", service="") is None


@pytest.mark.asyncio
async def test_scrape_goes_on_while_the_database_is_away(tmp_path: Path, database_url: str) -> None:
    """It is answered from memory and tells that the database is away."""
    async with serving(tmp_path / "here", database_url=database_url) as (client, use_cases):
        await report(client, await joined(client), row("payments", "open"), full=True)
        samples = await scraped(client)
        assert of(samples, "storage_state", state="serving") == 1
        assert of(samples, "platform_healthy") == 1
        with outage(database_url):
            await away(use_cases)
            samples = await scraped(client)
            assert of(samples, "circuit_state", circuit="payments", service="orders", state="open") == 1
            assert of(samples, "storage_state", state="unavailable") == 1
            assert of(samples, "platform_healthy") == 0
        await back(use_cases)


@pytest.mark.asyncio
async def test_scrape_of_a_recovery_tells_its_outcome_and_how_long_it_took(tmp_path: Path) -> None:
    """A recovery that runs is counted as such, and then by how it ended."""
    led = Led()
    async with recovering(tmp_path, led) as (client, _):
        operation = await start(client)
        await acting(led)
        assert of(await scraped(client), "recoveries_running", service="orders") == 1
        led.release.set()
        await finished(client, operation)
        samples = await scraped(client)
        assert of(samples, "recoveries_running", service="orders") == 0
        assert of(samples, "recoveries_total", service="orders", outcome="recovered") == 1
        assert of(samples, "recoveries_total", service="orders", outcome="failed") == 0


@pytest.mark.asyncio
async def test_scrape_of_an_incident_tells_target_question_and_switches(tmp_path: Path) -> None:
    """A target that fails is seen in its condition, its incident, and the question that waits for a person."""
    flags = Flags(tmp_path / "flags")
    async with watching(tmp_path / "data", flags.target("web", mode=Mode.RECOVER, strategies=ASKS)) as (client, _):
        samples = await scraped(client)
        assert of(samples, "target_condition", target="web", service="web", condition="healthy") == 1
        assert of(samples, "check_good", target="web", service="web", check="flag") == 1
        assert of(samples, "incidents_total", service="web", severity="1") == 0
        flags.down("web")
        await question_of(client, "web")
        (await client.put("/automation/stop-switch", json={"reason": "test"})).raise_for_status()
        samples = await scraped(client)
        assert of(samples, "check_good", target="web", service="web", check="flag") == 0
        waiting = [value for (name, labels), value in samples.items()
                   if name == "scrollintel_incidents_open" and ("state", "waiting") in labels]  # fmt: skip
        assert sum(waiting) == 1
        opened = [value for (name, labels), value in samples.items() if name == "scrollintel_incidents_total"]
        assert sum(opened) == 1
        assert of(samples, "approvals_waiting") == 1
        assert of(samples, "stop_switch_engaged") == 1
        assert of(samples, "storm_brake_engaged") == 0


@pytest.mark.asyncio
async def test_scrape_of_a_repaired_target_tells_every_phase(tmp_path: Path) -> None:
    """Detection, initiation, repair and proof are each timed once, and so is the whole."""
    flags = Flags(tmp_path / "flags")
    target = flags.target("web", mode=Mode.RECOVER, strategies={"default": (Remedy(kind="wait"),)})
    async with watching(tmp_path / "data", target) as (client, _):
        flags.down("web")
        # Whatever is well again before it is observed needs no repair.
        await shown(client, "/recovery/history", lambda body: body["items"] and "plan" in steps_of(body["items"][0]))
        flags.up("web")
        await shown(client, "/recovery/history", lambda body: body["items"] and body["items"][0]["finished_at"])
        samples = await scraped(client)
        async with asyncio.timeout(PATIENCE):  # what is in the history is counted right afterwards
            while of(samples, "time_to_recover_seconds_count", service="web") is None:
                samples = await scraped(client)
        assert of(samples, "recoveries_total", service="web", outcome="recovered") == 1
        for phase in ("detection", "initiation", "repair", "proof"):
            count = of(samples, "recovery_phase_duration_seconds_count", service="web", phase=phase)
            assert count == 1, phase
        assert of(samples, "time_to_recover_seconds_count", service="web") == 1


@pytest.mark.asyncio
async def test_scrape_takes_no_event_of_a_replica_for_a_recovery(tmp_path: Path) -> None:
    """What a replica calls by the name of an event of the control plane is counted nowhere."""
    async with serving(tmp_path) as (client, _):
        session = await joined(client)
        facts = [{"event": "recovery.finished", "at": 1.0, "policy": "x", "outcome": "recovered"}]
        await report(client, session, facts=facts, full=True)
        samples = await scraped(client)
        assert of(samples, "recoveries_total", service="orders", outcome="recovered") is None


@pytest.mark.asyncio
async def test_scrape_tells_of_the_control_plane_itself(tmp_path: Path) -> None:
    """Storage, audit log, background work, queues, process and build are all there."""
    async with serving(tmp_path) as (client, use_cases):
        await use_cases.checkpoints.sign()
        samples = await scraped(client)
        for name in (
            "storage_changes_total", "storage_commits_total", "storage_changes_waiting", "storage_full",
            "storage_leader", "audit_records_total", "audit_chain_intact", "audit_unsigned_records",
            "journal_notes_waiting", "journal_orders_waiting", "event_listeners", "events_total", "process_open_fds",
            "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds",
        ):  # fmt: skip
            assert of(samples, name) is not None, name
        assert of(samples, "audit_chain_intact") == 1
        assert of(samples, "background_errors_total", loop="flush reports") == 0
        for queue in ("history", "replica_events", "replica_counters", "access_refusals"):
            assert of(samples, "dropped_total", queue=queue) == 0
        assert any(name == "scrollintel_build_info" for name, _ in samples)
