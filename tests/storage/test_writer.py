"""The writer commits in groups, tells each caller the truth, and heals when the database comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from scrollintel.control.records import CONTROL_STATE, SERVICES, ControlStateRecord
from scrollintel.models.fault_tolerance_models import metadata
from scrollintel.storage.errors import StandbyError, StoreUnavailableError
from scrollintel.storage.transaction import Transaction
from scrollintel.storage.writer import WriterState
from tests.servers.postgres import Postgres
from tests.storage.rig import NOON, Rig, entry, register, running, service


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """Return a running writer on an empty database of each kind."""
    with running(database_url) as rig:
        yield rig


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Return a server that the test may kill."""
    with Postgres() as server:
        yield server


class TakenError(Exception):
    """What a change raises that may not be made."""


def names_on_disk(rig: Rig) -> set[str]:
    """Return the names of the services in the database."""
    with rig.database.reader() as reader:
        return set(reader.scalars(select(metadata.tables["services"].c.name)))


def together(rig: Rig, decides: list[Callable[[Transaction], Any]]) -> list[Any]:
    """Make changes that lie in one group; returns results and errors in their order."""
    outcomes: list[Any] = [None] * len(decides)

    def run(place: int) -> None:
        try:
            outcomes[place] = rig.change(decides[place])
        except Exception as error:
            outcomes[place] = error

    with rig.held():
        threads = []
        for place in range(len(decides)):
            threads.append(threading.Thread(target=run, args=(place,)))
            threads[-1].start()
            while rig.writer.waiting <= place:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join()
    return outcomes


def test_many_waiting_changes_share_one_commit(rig: Rig) -> None:
    """A hundred changes that wait are on disk after one commit, each with its entry in the log."""
    before = rig.writer.commits
    names = [f"s{number}" for number in range(100)]
    assert together(rig, [register(name) for name in names]) == names
    assert rig.writer.commits == before + 1
    assert names_on_disk(rig) == set(names)
    assert [record.target for record in rig.audit_log()] == names
    assert rig.verified().ok


def test_change_that_raises_leaves_no_trace_and_harms_no_other(rig: Rig) -> None:
    """Its caller hears its own error; the others of its group are made, and nothing of it is written or logged."""

    def fails(tx: Transaction) -> None:
        register("half done")(tx)
        tx.append("health_checks", at=NOON, service="half done", status="healthy", source="test")
        tx.afterwards(lambda: after.append("half done"))
        raise TakenError

    after: list[str] = []
    outcomes = together(rig, [register("a"), fails, register("b")])
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], TakenError)
    assert outcomes[2] == "b"
    assert names_on_disk(rig) == {"a", "b"}
    assert rig.records.get(SERVICES, "half done") is None
    assert [record.target for record in rig.audit_log()] == ["a", "b"]
    assert rig.verified().ok
    assert after == []


def test_change_that_the_database_refuses_harms_no_other(rig: Rig) -> None:
    """A row against the rules of a table is refused alone; the others of its group are made, and numbers stay."""

    def breaks_a_rule(tx: Transaction) -> None:
        tx.audit(entry("refused"))
        tx.append("health_checks", at=NOON, service="x", status="nonsense", source="test")

    outcomes = together(rig, [register("a"), breaks_a_rule, register("b")])
    assert outcomes[0] == "a"
    assert isinstance(outcomes[1], IntegrityError)
    assert outcomes[2] == "b"
    assert rig.writer.state is WriterState.SERVING
    assert names_on_disk(rig) == {"a", "b"}
    assert [record.target for record in rig.audit_log()] == ["a", "b"]
    assert rig.verified().ok


@pytest.mark.asyncio
async def test_concurrent_creation_of_one_name_has_one_winner(rig: Rig) -> None:
    """Of twenty callers that create the same name, one succeeds and the others see what it has made."""

    def create(number: int) -> Callable[[Transaction], int]:
        def decide(tx: Transaction) -> int:
            if tx.get(SERVICES, "wanted") is not None:
                raise TakenError
            tx.put(SERVICES, service("wanted", revision=number + 1))
            return number

        return decide

    calls = [rig.writer.change(create(number)) for number in range(20)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, TakenError) for outcome in outcomes) == 19
    found = rig.records.get(SERVICES, "wanted")
    assert found is not None and found.revision == winners[0] + 1


def test_change_whose_caller_has_given_up_is_not_made(rig: Rig) -> None:
    """Whoever does not wait any more before the change begins finds it not made."""
    with rig.held(), pytest.raises(StoreUnavailableError, match="not answered in time"):
        rig.writer.change_blocking(register("late"), timeout=0.01)
    rig.change(register("next"))
    assert names_on_disk(rig) == {"next"}


@pytest.mark.asyncio
async def test_change_that_waits_too_long_is_answered_and_not_made(rig: Rig) -> None:
    """`give_up` answers those who have waited longer than they may, and leaves the others and what they asked."""
    with rig.held():
        late = asyncio.ensure_future(rig.writer.change(register("late")))
        await asyncio.sleep(0)
        rig.writer.give_up(60.0)
        assert not late.done()
        rig.writer.give_up(0.0)
        patient = asyncio.ensure_future(rig.writer.change(register("patient")))
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailableError, match="unknown"):
            await late
    assert await patient == "patient"
    assert names_on_disk(rig) == {"patient"}


def test_readers_see_a_change_only_when_it_is_on_disk(rig: Rig) -> None:
    """While a group is decided, nobody but its own changes knows of it."""
    seen: list[object] = []

    def look(tx: Transaction) -> None:
        seen.append((tx.get(SERVICES, "a"), rig.records.get(SERVICES, "a")))

    together(rig, [register("a"), look])
    assert seen == [(service("a"), None)]
    assert rig.records.get(SERVICES, "a") == service("a")


def test_maintenance_runs_on_the_writing_connection_between_groups(rig: Rig) -> None:
    """A job on histories sees all changes before it, and what it writes is committed."""

    def job(connection: Connection) -> int:
        connection.execute(text("DELETE FROM health_checks"))
        return connection.scalar(select(func.count()).select_from(metadata.tables["services"])) or 0

    async def run() -> int:
        await rig.writer.change(register("a"))
        return await rig.writer.maintain(job)

    assert asyncio.run(run()) == 1


def test_stop_commits_what_waits(database_url: str) -> None:
    """Changes that were taken before the end are made."""
    with running(database_url) as rig:
        with rig.held():
            thread = threading.Thread(target=rig.change, args=(register("last"),))
            thread.start()
            while not rig.writer.waiting:
                threading.Event().wait(0.001)
            stopper = threading.Thread(target=rig.writer.stop)
            stopper.start()
        stopper.join()
        thread.join()
        assert rig.writer.state is WriterState.STOPPED
    with running(database_url) as again:
        assert again.records.get(SERVICES, "last") is not None


def test_killed_postgres_refuses_changes_and_heals_by_itself(own_postgres: Postgres) -> None:
    """With the server gone changes are refused and reads go on; back again, nothing acknowledged is missing."""
    with running(own_postgres.new_database()) as rig:
        rig.change(register("before"))
        own_postgres.kill()
        with pytest.raises(StoreUnavailableError) as caught:
            rig.change(register("lost"))
        assert caught.value.retry_after > 0
        assert rig.reaches(WriterState.UNAVAILABLE)
        assert rig.records.get(SERVICES, "before") is not None
        assert rig.records.get(SERVICES, "lost") is None
        with pytest.raises(StoreUnavailableError):
            rig.change(register("refused"))
        own_postgres.start()
        assert rig.reaches(WriterState.SERVING)
        rig.change(register("after"))
        assert names_on_disk(rig) == {"before", "after"}
        assert [record.target for record in rig.audit_log()] == ["before", "after"]
        assert rig.verified().ok


def test_maintenance_without_the_database_is_refused(own_postgres: Postgres) -> None:
    """A job hears what a change would hear; the writer takes the leader's lock anew before it writes again."""

    async def run(rig: Rig) -> None:
        await rig.writer.maintain(lambda connection: connection.execute(text("DELETE FROM health_checks")))

    with running(own_postgres.new_database()) as rig:
        own_postgres.kill()
        with pytest.raises(StoreUnavailableError):
            asyncio.run(run(rig))
        own_postgres.start()
        assert rig.passes(WriterState.UNAVAILABLE)
        assert rig.reaches(WriterState.SERVING)
        asyncio.run(run(rig))


def test_killed_postgres_is_noticed_without_a_change(own_postgres: Postgres) -> None:
    """A writer that has nothing to do finds out within seconds, so that reads are marked."""
    with running(own_postgres.new_database()) as rig:
        own_postgres.kill()
        assert rig.reaches(WriterState.UNAVAILABLE, timeout=10.0)
        own_postgres.start()
        assert rig.reaches(WriterState.SERVING)


def test_lost_session_makes_the_writer_load_what_another_has_written(postgres_url: str, postgres: Postgres) -> None:
    """After its session was ended from outside, the writer takes the records as they are on disk."""
    with running(postgres_url) as rig:
        rig.change(register("mine"))
        with rig.database.writers.connect() as other, other.begin():
            other.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name "
                     "AND datname = current_database() AND pid <> pg_backend_pid()"),
                {"name": "scrollintel writer"},
            )  # fmt: skip
            other.execute(text("UPDATE services SET tier = 4"))
        assert rig.passes(WriterState.UNAVAILABLE)
        assert rig.reaches(WriterState.SERVING)
        found = rig.records.get(SERVICES, "mine")
        assert found is not None and found.tier == 4


def test_standby_takes_over_on_postgres(postgres_url: str) -> None:
    """Of two control planes one serves; the other refuses changes, and serves with all records when the first ends."""
    with running(postgres_url) as first:
        first.change(register("a"))
        with running(postgres_url, WriterState.STANDBY) as second:
            with pytest.raises(StandbyError):
                second.change(register("b"))
            first.stop()
            assert second.reaches(WriterState.SERVING)
            assert second.records.get(SERVICES, "a") is not None
            second.change(register("b"))
            assert [record.target for record in second.audit_log()] == ["a", "b"]
            assert second.verified().ok


def test_audit_log_continues_over_restarts(database_url: str) -> None:
    """Each start goes on where the log ended, and the whole verifies."""
    for number in range(3):
        with running(database_url) as rig:
            rig.change(register(f"s{number}"))
            assert rig.ledger.log.head.sequence == number + 1
            assert rig.verified().ok


def test_sequence_numbers_never_repeat_over_restarts(database_url: str) -> None:
    """What replicas are told has ever higher numbers, whatever came between."""
    given: list[int] = []
    for _ in range(4):
        with running(database_url) as rig:
            given += [rig.change(lambda tx: tx.next_sequence()) for _ in range(2)]
            given.append(rig.change(number_that_is_written))
    assert given == sorted(set(given))


def number_that_is_written(tx: Transaction) -> int:
    """Take a number and write it."""
    number = tx.next_sequence()
    tx.put(CONTROL_STATE, ControlStateRecord(key="last number", value=number))
    return number


def test_sequence_numbers_do_not_repeat_after_a_refused_group(database_url: str) -> None:
    """A group that is committed one by one, because one change was refused, keeps its numbers for itself."""

    def breaks_a_rule(tx: Transaction) -> None:
        tx.append("health_checks", at=NOON, service="x", status="nonsense", source="test")

    with running(database_url) as rig:
        given = together(rig, [number_that_is_written, breaks_a_rule, number_that_is_written])[::2]
    with running(database_url) as rig:
        assert rig.change(number_that_is_written) > max(given)


def test_look_at_a_silent_database_keeps_nobody_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an idle writer waits for a database that says nothing, callers, event loops among them, can ask."""
    looking, answered = threading.Event(), threading.Event()

    def silent() -> None:
        looking.set()
        assert answered.wait(20.0)

    async def ask() -> None:
        rig.writer.give_up(5.0)

    monkeypatch.setattr(rig.ledger, "ping", silent)
    assert looking.wait(20.0)
    caller = threading.Thread(target=lambda: asyncio.run(ask()))
    caller.start()
    caller.join(5.0)
    kept_waiting = caller.is_alive()
    answered.set()
    caller.join()
    assert not kept_waiting


def test_changes_asked_for_while_the_database_turns_out_to_be_gone_are_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever came while the writer found its connection dead hears so at once, and the change is not made later."""
    looking, answered = threading.Event(), threading.Event()

    def dead() -> None:
        looking.set()
        assert answered.wait(20.0)
        raise StoreUnavailableError("the connection to the database has been lost")

    monkeypatch.setattr(rig.ledger, "ping", dead)
    assert looking.wait(20.0)
    outcomes: list[Any] = []

    def ask() -> None:
        try:
            outcomes.append(rig.change(register("a")))
        except StoreUnavailableError as error:
            outcomes.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    while not rig.writer.waiting and caller.is_alive():
        threading.Event().wait(0.001)
    monkeypatch.undo()
    answered.set()
    caller.join()
    assert isinstance(outcomes[0], StoreUnavailableError)
    assert rig.reaches(WriterState.SERVING)
    assert names_on_disk(rig) == set()


def test_change_with_a_number_that_no_column_holds_harms_no_other(rig: Rig) -> None:
    """What the driver cannot even say to the database is refused alone; the database has not failed."""

    def counts_too_far(tx: Transaction) -> None:
        tx.append("fault_tolerance_metrics", circuit="c", resolution=1, bucket_start=NOON, successes=2**63, failures=0,
                  slow=0, rejections=0, timeouts=0, replicas=1)  # fmt: skip

    outcomes = together(rig, [register("a"), counts_too_far, register("b")])
    assert (outcomes[0], outcomes[2]) == ("a", "b")
    assert not isinstance(outcomes[1], StoreUnavailableError)
    assert isinstance(outcomes[1], Exception)
    assert names_on_disk(rig) == {"a", "b"}
    assert WriterState.UNAVAILABLE not in rig.history
