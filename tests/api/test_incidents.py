"""Incidents over the API: searched page by page, read, taken note of, cancelled; also while the database is away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scrollintel.security.access import Binding, Role

from ..servers.outage import outage
from .recovery_rig import token
from .watching_rig import ASKS, Flags, Json, away, back, incident_of, question_of, shown, watching

STALE = "X-ScrollIntel-Stale"


@pytest.fixture
def flags(tmp_path: Path) -> Flags:
    """Return targets of this test."""
    return Flags(tmp_path / "flags")


@pytest.mark.asyncio
async def test_incidents_are_found_by_each_of_their_properties(tmp_path: Path, database_url: str, flags: Flags) -> None:
    """Each filter alone finds what it says and nothing else; a period that ends before the first finds nothing."""
    targets = [
        flags.target("a", tier=1), flags.target("b", tier=5), flags.target("c/1", service="c", group="c"),
        flags.target("c/2", service="c", group="c"), flags.target("d"),
    ]  # fmt: skip
    async with watching(tmp_path / "data", *targets, database_url=database_url) as (client, _):
        for name in ("a", "b", "c/1"):
            flags.down(name)
            await incident_of(client, name, "open")
        flags.up("b")
        resolved = await incident_of(client, "b", "resolved")

        async def found(**query: object) -> set[str]:
            answer = await client.get("/incidents", params=query)
            assert answer.status_code == 200, answer.text
            return {item["target"] for item in answer.json()["items"]}

        assert await found() == {"a", "b", "c/1"}
        assert await found(service="c") == {"c/1"}
        assert await found(target="c/1") == {"c/1"}
        assert await found(target="c/2") == set()
        assert await found(state="resolved") == {"b"}
        assert await found(state="open") == {"a", "c/1"}
        assert await found(severity=1) == {"a"}
        assert await found(severity=4) == {"b", "c/1"}
        assert await found(failure_type="unresponsive") == await found(failure_type=resolved["failure_type"])
        assert await found(failure_type="exited") == set()
        assert await found(to=resolved["declared_at"]) == {"a"}
        assert await found(**{"from": resolved["declared_at"]}) == {"b", "c/1"}
        assert await found(service="c", state="resolved") == set()


@pytest.mark.asyncio
async def test_pages_hold_every_incident_once_though_more_come_meanwhile(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """A cursor says where a page ended; what is declared later shifts nothing."""
    names = [f"s{number}" for number in range(6)]
    async with watching(tmp_path / "data", *(flags.target(name) for name in names), database_url=database_url) as (
        client,
        _,
    ):
        for name in names[:5]:
            flags.down(name)
            await incident_of(client, name, "open")
        first = (await client.get("/incidents", params={"limit": 2})).json()
        flags.down(names[5])
        await incident_of(client, names[5], "open")
        seen, cursor = [item["target"] for item in first["items"]], first["next_cursor"]
        while cursor:
            page = (await client.get("/incidents", params={"limit": 2, "cursor": cursor})).json()
            seen += [item["target"] for item in page["items"]]
            cursor = page["next_cursor"]
        assert seen == names[4::-1]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "cursor", ["x", "bm9uc2Vuc2U", "WyJub3QgYSBtb21lbnQiLCJpbmNfMSJd", "WyIyMDI2LTAxLTAxIiwiaW5jXzEiXQ"]
)
@pytest.mark.parametrize("path", ["/incidents", "/approvals"])
async def test_cursor_of_no_list_is_refused(tmp_path: Path, path: str, cursor: str) -> None:
    """No text, no JSON, no moment, no time zone: each is answered with the code of a wrong cursor."""
    async with watching(tmp_path) as (client, _):
        answer = await client.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor"), answer.text


@pytest.mark.asyncio
async def test_incident_is_acknowledged_once_and_on_record(tmp_path: Path, flags: Flags) -> None:
    """Who and why is in the timeline and in the audit log; a second time is a conflict."""
    async with watching(tmp_path / "data", flags.target("a")) as (client, _):
        flags.down("a")
        number = (await incident_of(client, "a", "open"))["id"]
        taken = await client.post(f"/incidents/{number}/acknowledge", json={"reason": "I am on it"})
        assert (taken.status_code, taken.json()["acknowledged_by"]) == (200, "local")
        again = await client.post(f"/incidents/{number}/acknowledge", json={})
        assert (again.status_code, again.json()["code"]) == (409, "conflict")
        story = (await client.get(f"/incidents/{number}")).json()
        line = next(line for line in story["timeline"] if line["kind"] == "acknowledged")
        assert (line["actor"], line["detail"]) == ("local", "acknowledged by local: I am on it")
        audited = (await client.get("/audit", params={"action": "incident.acknowledge"})).json()["items"]
        assert [(item["target"], item["reason"]) for item in audited] == [(number, "I am on it")]
        assert (await client.post("/incidents/inc_0/acknowledge", json={})).status_code == 404


@pytest.mark.asyncio
async def test_incident_that_is_cancelled_is_left_alone_and_so_is_its_recovery(tmp_path: Path, flags: Flags) -> None:
    """The recovery that waits for a person ends, its question stands no more, and nothing new begins."""
    target = flags.target("a", mode="recover", strategies=ASKS)
    async with watching(tmp_path / "data", target) as (client, _):
        flags.down("a")
        question = await question_of(client, "a")
        number = question["incident"]
        ended = await client.post(f"/incidents/{number}/cancel", json={"reason": "it is to be down"})
        assert (ended.json()["state"], ended.json()["detail"]) == ("cancelled", "cancelled: it is to be down")
        await shown(client, "/approvals", lambda body: body["items"] == [])
        past = await shown(client, f"/recovery/{question['recovery']}", lambda body: body["finished_at"])
        assert past["status"] == "interrupted"
        flags.up("a")
        await shown(client, "/checks", lambda body: body["items"][0]["condition"] == "healthy")
        assert (await client.post(f"/incidents/{number}/cancel", json={"reason": "again"})).status_code == 404
        assert [item["id"] for item in (await client.get("/incidents")).json()["items"]] == [number]
        flags.down("a")
        await shown(client, "/incidents", lambda body: len(body["items"]) == 2)


@pytest.mark.asyncio
async def test_target_that_a_person_wants_left_alone_is_left_alone_by_the_next_life_too(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """A restart of the control plane does not begin to repair what somebody has said is to be down."""
    place = tmp_path / "data"
    async with watching(place, flags.target("a"), database_url=database_url) as (client, _):
        flags.down("a")
        number = (await incident_of(client, "a", "open"))["id"]
        await client.post(f"/incidents/{number}/cancel", json={"reason": "it is to be down"})
    targets = [flags.target("a", mode="recover", strategies=ASKS), flags.target("b")]
    flags.down("a")
    async with watching(place, *targets, database_url=database_url, healthy=False) as (client, _):

        def known(body: Json) -> bool:
            return {item["target"]: item["condition"] for item in body["items"]} == {"a": "failed", "b": "healthy"}

        await shown(client, "/checks", known)
        flags.down("b")
        await incident_of(client, "b", "open")
        there = (await client.get("/incidents", params={"state": "open"})).json()["items"]
        assert [item["target"] for item in there] == ["b"]


@pytest.mark.asyncio
async def test_open_incidents_can_be_read_while_the_database_is_away(
    tmp_path: Path, database_url: str, flags: Flags
) -> None:
    """What is open is shown with a mark that it is from memory; what is not at hand, and every change, is a 503."""
    async with watching(tmp_path / "data", flags.target("a"), database_url=database_url) as (client, use_cases):
        flags.down("a")
        number = (await incident_of(client, "a", "open"))["id"]
        with outage(database_url):
            await away(use_cases)
            listed = await client.get("/incidents")
            assert ([item["id"] for item in listed.json()["items"]], STALE in listed.headers) == ([number], True)
            one = await client.get(f"/incidents/{number}")
            assert (one.status_code, one.json()["timeline"], STALE in one.headers) == (200, [], True)
            assert (await client.get("/incidents/inc_0")).status_code == 503
            assert (await client.post(f"/incidents/{number}/acknowledge", json={})).status_code == 503
            assert (await client.get("/recovery/statistics")).status_code == 503
        await back(use_cases)
        listed = await client.get("/incidents")
        assert ([item["id"] for item in listed.json()["items"]], STALE in listed.headers) == ([number], False)


@pytest.mark.asyncio
async def test_names_of_services_outside_the_scope_are_not_told(tmp_path: Path, flags: Flags) -> None:
    """Neither other incidents, nor whom a failure takes along: that is counted, and the rest of the verdict stays."""
    mine = flags.target("mine", tier=1)
    shop = flags.target("shop", depends_on=(("mine", "hard"),))
    board = flags.target("board", depends_on=(("shop", "hard"), ("mine", "soft")))
    async with watching(tmp_path / "data", mine, shop, board, enforced=True) as (client, use_cases):
        flags.down("mine")
        number = (await incident_of(client, "mine", "open"))["id"]
        all_of_it = (await client.get(f"/incidents/{number}")).json()
        assert [item["service"] for item in all_of_it["impact"]["affected"]] == ["shop", "board"]
        flags.down("board")
        other = (await incident_of(client, "board", "open", "held"))["id"]
        client.headers.update(await token(use_cases, Binding(Role.OPERATOR, ("mine", "board"))))
        part = (await client.get(f"/incidents/{number}")).json()
        assert part["impact"]["affected"] == [{"service": "board", "degraded": True, "path": ["mine", "board"]}]
        assert (part["impact"]["hidden"], part["severity"]) == (1, all_of_it["severity"])
        client.headers.update(await token(use_cases, Binding(Role.VIEWER, ("mine",))))
        least = await client.get(f"/incidents/{number}")
        assert least.json()["impact"]["sentence"].endswith("2 other services suffer")
        assert "shop" not in least.text and "board" not in least.text
        listed = await client.get("/incidents")
        assert [item["id"] for item in listed.json()["items"]] == [number]
        assert "shop" not in listed.text and "board" not in listed.text
        assert (await client.get(f"/incidents/{other}")).status_code == 404
        refused = await client.post(f"/incidents/{number}/acknowledge", json={})
        assert refused.status_code == 403
        for verb in ("acknowledge", "cancel"):
            hidden = await client.post(f"/incidents/{other}/{verb}", json={"reason": "x"})
            missing = await client.post(f"/incidents/inc_0/{verb}", json={"reason": "x"})
            assert (hidden.status_code, missing.status_code) in ((404, 404), (403, 403))


@pytest.mark.asyncio
async def test_statistics_tell_how_often_services_fail_and_how_fast_they_come_back(
    tmp_path: Path, flags: Flags
) -> None:
    """One service that failed twice and came back by itself, in figures."""
    target = flags.target("a")
    async with watching(tmp_path / "data", replace(target, tier=2)) as (client, _):
        for _again in range(2):
            flags.down("a")
            await incident_of(client, "a", "open")
            flags.up("a")
            await incident_of(client, "a", "resolved")
        figures = (await client.get("/recovery/statistics")).json()
        assert (figures["incidents"], figures["recoveries"]) == (2, 0)
        assert figures["by_service"]["a"]["time_to_recover"]["count"] == 2
        assert figures["by_service"]["a"]["time_between_failures"]["count"] == 1
        none = (await client.get("/recovery/statistics", params={"to": "2020-01-01T00:00:00Z"})).json()
        assert (none["incidents"], none["by_service"]) == (0, {})


@pytest.mark.asyncio
async def test_summary_tells_of_targets_and_open_incidents(tmp_path: Path, flags: Flags) -> None:
    """Worst first, only those that the caller may see, and how automation stands."""
    targets = [flags.target("shop", tier=1), flags.target("mail", tier=5)]
    async with watching(tmp_path / "data", *targets, enforced=True) as (client, use_cases):
        summary = (await client.get("/health/summary")).json()
        assert (summary["targets"], summary["incidents"], summary["automation"]) == ({"healthy": 2}, [], "watching")
        assert summary["sentence"] == "Everything is in order."
        flags.down("mail")
        await incident_of(client, "mail", "open")
        flags.down("shop")
        await incident_of(client, "shop", "open")
        summary = (await client.get("/health/summary")).json()
        assert [item["target"] for item in summary["incidents"]] == ["shop", "mail"]
        assert (summary["targets"], summary["sentence"]) == ({"failed": 2}, "2 incidents are open.")
        await client.put("/automation/stop-switch", json={"reason": "a test"})
        viewer = await token(use_cases, Binding(Role.VIEWER, ("mail",)))
        seen = (await client.get("/health/summary", headers=viewer)).json()
        assert [item["target"] for item in seen["incidents"]] == ["mail"]
        assert (seen["targets"], seen["automation"]) == ({"failed": 1}, "stopped")
