"""The control plane as one object: records, writer, replicas, facts, keys, and how a change goes through."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from ..control.records import IDEMPOTENCY, IdempotencyRecord
from ..core.clock import SYSTEM_CLOCK, Clock
from ..security.access import Identity
from ..security.key_providers import KeyProvider
from ..security.kinds import TOKENS
from ..security.tokens import TokenIndex
from ..storage.engine import Database
from ..storage.errors import StoreFullError, StoreUnavailableError
from ..storage.ledger import Ledger
from ..storage.transaction import Records, Transaction
from ..storage.writer import Writer, WriterState
from .authors import name_author
from .caller import Caller
from .errors import KeyReusedError
from .facts import FactStream
from .fleet import Fleet
from .keys import Keys
from .loop_calls import LoopCalls
from .recent_transitions import RecentTransitions
from .standing_orders import StandingOrders
from .token_names import has_clear_name, open_name, seal_clear_names

T = TypeVar("T")

CHANGE_TIMEOUT = 5.0
"""Seconds that a request waits for the database before it is answered with 503."""
LATE_INTERVAL = 0.25
"""Seconds between looks for requests that have waited so long."""
IDEMPOTENCY_LIFETIME = timedelta(hours=24)
MAX_IDEMPOTENCY_KEYS = 100_000
SEALED_MARK = "sealed"

logger = logging.getLogger("scrollintel.service")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change answers: an HTTP status, the encoded document, and headers of its own.

    `secret` marks a body that is shown once, such as that of a new token: where it has to be kept, it is sealed.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class OnceOnly:
    """An idempotency key, and the fingerprint of the request that came with it."""

    key: str
    fingerprint: str


class ControlPlane:
    """Everything that the API, the command line and the background loops share in one process.

    Arguments:
        database: Where records lie.
        key_provider: Gives the provider of key-encryption keys; True lets it make the first key, which is right only
            while the database holds nothing that is encrypted.
        fleet: The replicas.
        clock: Source of time.
    """

    def __init__(
        self,
        database: Database,
        *,
        key_provider: Callable[[bool], KeyProvider],
        fleet: Fleet | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.clock = clock
        self.database = database
        self.records = Records()
        self.fleet = Fleet(clock=clock) if fleet is None else fleet
        self.facts = FactStream()
        self.tokens = TokenIndex()
        self.orders = StandingOrders(self.records)
        self.keys = Keys(self.records, key_provider)
        self.ledger = Ledger(database, new_log_id=lambda: f"log_{secrets.token_hex(8)}", records=self.records)
        self.writer = Writer(
            self.ledger, self.records, clock=clock, on_loaded=self._on_loaded, on_state=self._on_writer_state
        )
        self.started_at = datetime.fromtimestamp(clock.time(), UTC)
        self._calls = LoopCalls()
        self.on_loop = self._calls.call
        self.ask_loop = self._calls.ask
        self._patience: asyncio.TimerHandle | None = None
        self.on_serving: list[Callable[[], object]] = []
        self.stopping = False
        self.distrust: str | None = None
        """Why nothing is written although the database can be, such as a failed self-test; or None."""
        self.transitions = RecentTransitions(database)

    # ------------------------------------------------------------------ life

    async def start(self, *, timeout: float = 10.0) -> None:
        """Start the writer and wait until it has read the database, or has found out that it cannot."""
        self._calls.begin()
        self.writer.start()
        self._look_for_late()
        await asyncio.to_thread(self.writer.wait_ready, timeout)

    async def stop(self) -> None:
        """End streams and waits, commit what is queued, and let go of the database."""
        self.close_streams()
        await asyncio.to_thread(self.writer.stop)
        if self._patience is not None:
            self._patience.cancel()
        self.database.dispose()

    def _look_for_late(self) -> None:
        """Answer requests whose change takes too long, now and every `LATE_INTERVAL`."""
        self.writer.give_up(CHANGE_TIMEOUT)
        self._patience = asyncio.get_running_loop().call_later(LATE_INTERVAL, self._look_for_late)

    def close_streams(self) -> None:
        """End all streams and waits; on the event loop."""
        self.stopping = True
        self.facts.close()
        self.fleet.end_waits()

    async def abandon(self) -> None:
        """Let go of the database after the event loop that this belonged to has ended without `stop`."""
        self.stopping = True
        await asyncio.to_thread(self.writer.stop)
        self.database.dispose()

    @property
    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.fromtimestamp(self.clock.time(), UTC)

    @property
    def serving(self) -> bool:
        """Whether changes can be written."""
        return self.writer.state is WriterState.SERVING

    def staleness(self) -> str:
        """Return how long the database has been away, for whoever reads from memory meanwhile."""
        return f"storage {self.writer.state.value} for {self.clock.monotonic() - self.writer.since:.0f} s"

    def _on_loaded(self) -> None:
        """Take over what was loaded, in the writer's thread, before any change is made."""
        if self.fleet.sequence:  # one more than replicas have heard of, so that all of them get everything anew
            self.ledger.skip_past(self.fleet.sequence + 1)
        self.keys.load()
        known = {record.id for record in self.records.values(TOKENS)}
        for token in self.tokens.records():
            if token.id not in known:
                self.tokens.remove(token.id)
        for record in self.records.values(TOKENS):
            self.tokens.put(open_name(record, self.keys))

    def _on_writer_state(self, state: WriterState) -> None:
        if state is WriterState.SERVING:
            if self.keys.incomplete:
                with contextlib.suppress(StoreUnavailableError):  # the writer stops: the next start makes them
                    self.writer.change_unheard(self.keys.complete)
            if any(has_clear_name(record) for record in self.records.values(TOKENS)):
                self.writer.change_unheard(lambda tx: seal_clear_names(tx, self.keys))
            for action in self.on_serving:
                action()
        self.on_loop(self._tell_state, state)

    def _tell_state(self, state: WriterState) -> None:
        if state is WriterState.SERVING:
            self.fleet.begin_at(self.ledger.last_sequence)
        self.facts.tell("platform.storage", {"state": state.value, "at": self.now.isoformat()})

    # ------------------------------------------------------------------ changes

    async def change(self, decide: Callable[[Transaction], T], *, urgent: bool = False) -> T:
        """Make a change; returns its result once it is on disk. See `Writer.change`.

        Arguments:
            decide: Makes it.
            urgent: Whether it may use the room that is kept for the day on which the disk is full.

        Raises:
            StoreFullError: when there is no room for it.
        """

        def decide_and_count(tx: Transaction) -> T:
            result = decide(tx)
            self.keys.store_counts(tx)
            return result

        if self.distrust is not None:
            raise StoreUnavailableError(self.distrust, retry_after=60.0)

        if self.database.full and self.database.reserve is not None and not urgent:
            raise StoreFullError
        try:
            result = await self.writer.change(decide_and_count)
        except StoreUnavailableError as error:
            if self.database.full and type(error) is StoreUnavailableError:
                raise StoreFullError from error
            raise
        if self.database.full:
            self.database.wrote()
        return result

    async def answer(
        self, caller: Caller, decide: Callable[[Transaction], Answer], once: OnceOnly | None = None
    ) -> Answer:
        """Make a change that answers a request; with a key, the same request is answered the same way for 24 h.

        Raises:
            KeyReusedError: when the key came with another request before.
        """

        def decide_by_author(tx: Transaction) -> Answer:
            answer = decide(tx)
            name_author(tx, caller, self.keys)
            return answer

        if once is None:
            return await self.change(decide_by_author, urgent=caller.break_glass)
        key = once

        def decide_once(tx: Transaction) -> Answer:
            known = tx.get(IDEMPOTENCY, (caller.identity.id, key.key))
            if known is not None and known.expires_at > tx.now:
                if known.fingerprint != key.fingerprint:
                    raise KeyReusedError("this idempotency key came with another request before")
                body = known.body.encode()
                if SEALED_MARK in known.headers:
                    body = self.keys.ring.open_(known.body, *idempotency_place(caller.identity.id, key.key))
                headers = {name: value for name, value in known.headers.items() if name != SEALED_MARK}
                return Answer(known.status, body, {**headers, "Idempotency-Replayed": "true"})
            answer = decide_by_author(tx)
            headers, body_text = dict(answer.headers), ""
            if answer.secret:
                headers[SEALED_MARK] = "1"
                body_text = self.keys.ring.seal(answer.body, *idempotency_place(caller.identity.id, key.key))
            else:
                body_text = answer.body.decode()
            tx.put(
                IDEMPOTENCY,
                IdempotencyRecord(
                    actor=caller.identity.id,
                    key=key.key,
                    fingerprint=key.fingerprint,
                    status=answer.status,
                    headers=headers,
                    body=body_text,
                    expires_at=tx.now + IDEMPOTENCY_LIFETIME,
                ),
            )
            return answer

        return await self.change(decide_once, urgent=caller.break_glass)

    def publish(self, tx: Transaction, change: Mapping[str, Any]) -> None:  # Any: JSON values
        """Tell replicas of a change once it is on disk."""
        tx.afterwards(lambda: self.on_loop(self.fleet.publish, change))

    def tell(
        self, tx: Transaction, event: str, data: Mapping[str, Any], *, service: str | None = None
    ) -> None:  # Any: JSON values
        """Add a fact to the stream once the change is on disk."""
        content = {"at": tx.now.isoformat(), **data}
        tx.afterwards(lambda: self.on_loop(_tell, self.facts, event, content, service))

    def authenticate(self, text: str) -> Identity | None:
        """Return who a token stands for, or None."""
        return self.tokens.authenticate(text, self.now)


def idempotency_place(actor: str, key: str) -> tuple[str, str, str]:
    """Return where a sealed answer lies: table, row and column."""
    return "idempotency_keys", f"{actor}|{key}", "body"


def _tell(facts: FactStream, event: str, content: dict[str, Any], service: str | None) -> None:  # Any: JSON values
    facts.tell(event, content, service=service)
