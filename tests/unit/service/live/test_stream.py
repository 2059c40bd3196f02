"""Pages that follow: how often they are told, of what, in which order, and what happens to slow ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scrollintel.recovery.symptom import Condition, Depth, Look
from scrollintel.recovery.target import Target
from scrollintel.service.errors import TooManyListenersError
from scrollintel.service.facts import KEPT
from scrollintel.service.listeners import MAX_STREAMS
from scrollintel.service.live import stream, view
from scrollintel.watch.watcher import TargetView

from .rig import batches, caller, row, world


@pytest.mark.asyncio
async def test_page_gets_twenty_messages_a_second_and_every_fact_in_order() -> None:
    """Ten thousand facts a second for three seconds reach a page without a gap, in sixty messages at most."""
    async with world() as here:
        page = await here.page()
        began = here.clock.monotonic()
        for _ in range(3000):
            here.happen(10)
            await here.clock.aadvance(0.001)
        await here.clock.aadvance(0.1)
        assert page.numbers == list(range(1, 30_001))
        for start in range(30):
            within = [at for at in page.times if began + start / 10 <= at < began + start / 10 + 1.0]
            assert len(within) <= 20


@pytest.mark.asyncio
async def test_circuit_that_changes_ten_times_between_two_messages_comes_once_as_it_is() -> None:
    """What it was in between is in the facts."""
    async with world() as here:
        session = here.join()
        here.report(session, row("payments"), row("stock"))
        page = await here.page()
        for number in range(10):
            here.report(session, row("payments", "open" if number % 2 else "closed", reason=str(number)))
            here.happen(1)
        await here.clock.aadvance(0.05)
        assert [circuit["name"] for circuit in page.messages[0]["circuits"]] == ["payments", "stock"]
        (news,) = page.messages[1:]
        assert [(circuit["name"], circuit["state"]) for circuit in news["circuits"]] == [("payments", "open")]
        assert len(news["facts"]) == 10
        assert news["summary"]["circuits"] == {"open": 1, "closed": 1}


@pytest.mark.asyncio
async def test_what_only_counts_comes_once_a_second() -> None:
    """Twenty reports of more calls in two seconds are two messages about the circuit, the last one as it is."""
    async with world() as here:
        session = here.join()
        here.report(session, row("payments"))
        page = await here.page()
        for number in range(1, 21):
            here.report(session, row("payments", successes=number))
            await here.clock.aadvance(0.1)
        await here.clock.aadvance(1.0)
        told = [message["circuits"][0]["counters"]["successes"] for message in page.messages if "circuits" in message]
        assert len(told) <= 4
        assert told[-1] == 20
        summaries = [message["summary"] for message in page.messages[1:] if "summary" in message]
        assert len(summaries) <= 3
        assert summaries[-1]["calls_per_second"] == 20


@pytest.mark.asyncio
async def test_page_hears_nothing_but_signs_of_life_while_nothing_happens() -> None:
    """A countdown that goes on, and reports that say the same, are no news."""
    async with world() as here:
        session = here.join()
        waiting = row("payments", "open")._replace(retry_after=60.0)
        here.report(session, waiting)
        page = await here.page()
        for _ in range(40):
            await here.clock.aadvance(0.5)
            here.report(session, waiting)
        assert len(page.chunks) == 1
        assert page.beats == 5


@pytest.mark.asyncio
async def test_pages_of_one_scope_share_the_look_and_the_bytes() -> None:
    """A hundred pages cost one look at a circuit; another scope has a look of its own and hears less."""
    async with world() as here:
        session, other = here.join(), here.join("billing", "two")
        here.report(session, row("payments"))
        here.report(other, row("invoices"))
        pages = [await here.page() for _ in range(100)]
        viewer = await here.page(caller("orders"))
        here.looks.clear()
        here.report(session, row("payments", "open"))
        here.report(other, row("invoices", "open"))
        here.happen(1, service="billing")
        here.happen(1, service="orders")
        await here.clock.aadvance(0.05)
        assert here.looks["payments"] == 2
        assert len({id(page.chunks[1]) for page in pages}) == 1
        assert [circuit["name"] for circuit in viewer.messages[1]["circuits"]] == ["payments"]
        assert viewer.numbers == [2]
        assert pages[0].numbers == [1, 2]


@pytest.mark.asyncio
async def test_page_that_cannot_keep_up_gets_what_leads_to_the_present_at_once() -> None:
    """Nothing is queued for it: a thousand changes that it did not take come as one message, with every fact."""
    async with world() as here:
        session = here.join()
        here.report(session, row("payments"), row("stock"))
        slow = await here.slow()
        quick = await here.page()
        for number in range(500):
            here.report(session, row("payments", "open" if number % 2 else "closed", reason=str(number)))
            here.happen(1)
            await here.clock.aadvance(0.05)
        here.fleet.leave(session.id)
        await here.clock.aadvance(0.1)
        (caught_up,) = batches(await anext(slow))
        assert [fact["number"] for fact in caught_up["facts"]] == list(range(1, 501)) == quick.numbers
        assert caught_up["gone"] == ["stock", "payments"] or caught_up["gone"] == ["payments", "stock"]
        assert "circuits" not in caught_up
        await slow.aclose()


@pytest.mark.asyncio
async def test_page_that_comes_back_gets_what_it_missed_in_several_messages() -> None:
    """Each holds a thousand facts, in order, and the first of them everything else."""
    async with world() as here:
        here.happen(1)
        last = here.facts.last_id
        here.happen(2500)
        page = await here.page(last=last)
        await here.clock.aadvance(0.5)
        assert page.numbers == list(range(2, 2502))
        assert [len(message["facts"]) for message in page.messages] == [1000, 1000, 500]
        assert page.messages[0]["whole"] is True
        assert page.chunks[0].startswith(f"id: {here.facts.epoch}-1001\n".encode())


@pytest.mark.asyncio
async def test_page_that_is_as_far_behind_as_is_kept_gets_every_fact_that_it_may_see() -> None:
    """While it follows, and when it comes back; there is nothing that it has to be told anew."""
    async with world() as here:
        here.happen(1)
        last = here.facts.last_id
        staying = await here.page(caller("orders"))
        here.happen(KEPT // 2, service="billing")
        here.happen(KEPT // 2, service="orders")
        again = await here.page(caller("orders"), last)
        await here.clock.aadvance(1.0)
        for page in (staying, again):
            assert page.numbers == list(range(KEPT // 2 + 2, KEPT + 2))
            assert not any(b"stream.reset" in chunk for chunk in page.chunks)


@pytest.mark.asyncio
async def test_page_that_falls_out_of_the_buffer_is_told_and_given_everything() -> None:
    """While it follows, and when it comes back."""
    async with world() as here:
        here.report(here.join(), row("payments"))
        here.happen(1)
        last = here.facts.last_id
        slow = await here.slow()
        here.happen(KEPT + 1)
        await here.clock.aadvance(0.05)
        page = await here.page(last=last)
        for chunk in (await anext(slow), page.chunks[0]):
            assert chunk.startswith(f"id: {here.facts.last_id}\nevent: stream.reset\ndata: {{}}\n\n".encode())
            (message,) = batches(chunk)
            assert message["whole"] is True
            assert [circuit["name"] for circuit in message["circuits"]] == ["payments"]
            assert "facts" not in message
        await slow.aclose()


@pytest.mark.asyncio
async def test_message_with_large_facts_is_bounded() -> None:
    """Facts of a hundred kilobytes come ten at a time, and none is lost."""
    async with world() as here:
        page = await here.page()
        here.happen(25, text="x" * 100_000)
        await here.clock.aadvance(1.0)
        assert page.numbers == list(range(1, 26))
        assert max(map(len, page.chunks)) < 1.2 * view.MOST_BYTES


@pytest.mark.asyncio
async def test_replica_that_falls_silent_and_speaks_again_changes_its_circuits() -> None:
    """Nobody tells of that, so it is looked for once a second."""
    async with world() as here:
        session = here.join()
        here.report(session, row("payments"))
        page = await here.page()
        await here.clock.aadvance(here.fleet.stale_after + 1.5)
        (silent,) = page.messages[1:]
        assert silent["circuits"][0]["stale_replicas"] == 1
        here.report(session, row("payments"))
        await here.clock.aadvance(1.5)
        assert page.messages[-1]["circuits"][0]["stale_replicas"] == 0


@pytest.mark.asyncio
async def test_target_comes_when_its_condition_changes_and_its_looks_every_five_seconds() -> None:
    """A target that is watched no more is gone."""
    async with world() as here:
        good = Look(target="db", check="port", depth=Depth.ALIVE, good=True, failure_type=None, detail="", at=1000.0)
        healthy = replace(
            TargetView.unseen(Target(name="db", service="db")), condition=Condition.HEALTHY, looks=(good,)
        )
        here.views = [healthy]
        page = await here.page()
        assert page.messages[0]["targets"][0]["condition"] == "healthy"
        for second in range(10):
            here.views = [replace(healthy, looks=(replace(good, at=1000.0 + second),))]
            await here.clock.aadvance(1.0)
        await here.clock.aadvance(0.05)
        assert len([message for message in page.messages if "targets" in message]) == 3
        here.views = [replace(healthy, condition=Condition.FAILED)]
        here.facts.tell("target.condition", {"target": "db", "number": 1})
        await here.clock.aadvance(0.05)
        assert page.messages[-1]["targets"][0]["condition"] == "failed"
        assert page.messages[-1]["facts"][0]["target"] == "db"
        here.views = []
        await here.clock.aadvance(1.5)
        assert page.messages[-1]["gone_targets"] == ["db"]


@pytest.mark.asyncio
async def test_look_that_fails_ends_the_stream_of_its_scope_alone_and_is_told() -> None:
    """A page never goes on with what is not true any more without knowing it."""
    async with world() as here:
        session, other = here.join(), here.join("billing", "two")
        here.report(session, row("payments"))
        here.report(other, row("invoices"))
        viewer, stranger = await here.page(caller("orders")), await here.page(caller("billing"))
        here.fails = {"payments"}
        here.report(session, row("payments", "open"))
        await here.clock.aadvance(0.05)
        assert viewer.task.done()
        assert stranger.task.done()  # it is asked for the circuit as well, to learn that it sees nothing of it
        assert any(isinstance(error, RuntimeError) for error in here.errors)
        here.fails = set()
        again = await here.page(caller("orders"))
        assert again.messages[0]["circuits"][0]["state"] == "open"


@pytest.mark.asyncio
async def test_who_has_not_heard_of_what_is_gone_for_long_is_given_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many circuits are remembered to be no more."""
    monkeypatch.setattr(view, "MOST_GONE", 2)
    async with world() as here:
        session = here.join()
        here.report(session, *(row(f"c{number}") for number in range(5)))
        slow = await here.slow()
        here.report(session, row("c0"), full=True)
        await here.clock.aadvance(0.05)
        (message,) = batches(await anext(slow))
        assert message["whole"] is True
        assert [circuit["name"] for circuit in message["circuits"]] == ["c0"]
        await slow.aclose()


@pytest.mark.asyncio
async def test_no_more_scopes_are_admitted_than_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further pages of a known scope are."""
    monkeypatch.setattr(stream, "MAX_ROOMS", 1)
    async with world() as here:
        here.live.require_place(caller("orders").identity)
        await here.page(caller("orders"))
        here.live.require_place(caller("orders").identity)
        with pytest.raises(TooManyListenersError, match="1 different scopes"):
            here.live.require_place(caller("billing").identity)


@pytest.mark.asyncio
async def test_of_many_pages_of_one_identity_that_come_at_once_as_many_stay_as_may() -> None:
    """All are told that there is a place, since none of them has begun; the rest end before they hear anything."""
    async with world() as here:
        who = caller()
        for _ in range(2 * MAX_STREAMS):
            here.live.require_place(who.identity)
        pages = [await here.page(who) for _ in range(2 * MAX_STREAMS)]
        assert [len(page.chunks) for page in pages] == [1] * MAX_STREAMS + [0] * MAX_STREAMS
        assert [page.task.done() for page in pages] == [False] * MAX_STREAMS + [True] * MAX_STREAMS


@pytest.mark.asyncio
async def test_nothing_is_looked_at_while_nobody_follows() -> None:
    """The last page that leaves ends the looking, and no timer stays."""
    async with world() as here:
        session = here.join()
        here.report(session, row("payments"))
        page = await here.page()
        page.task.cancel()
        await here.clock.aadvance(5.0)
        here.looks.clear()
        here.report(session, row("payments", "open"))
        here.happen(1)
        await here.clock.aadvance(5.0)
        assert (here.looks.total(), here.clock.pending, len(here.facts.listeners)) == (0, 0, 0)
