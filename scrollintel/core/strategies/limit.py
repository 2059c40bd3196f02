"""An adaptive concurrency limit at run time: one for all callers, or one for each key of a policy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf
from threading import get_ident
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..clock import Clock
from ..config.limit import AdaptiveLimitConfig
from ..context import REQUEST
from ..errors import LimitReachedError
from ..hub import EventHub
from ..locks import new_lock, renew_after_fork
from ..machines.limit import Flight, LimitMachine
from ..machines.line import Place
from ..outcome import Verdict
from .classify import overload_classifier
from .gate import NO_RESULT, Wait, tell_refusal

if TYPE_CHECKING:
    from ..snapshot import LimitSnapshot

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
TOLD_EVERY = 1.0
"""Seconds between two events about the same limit at least."""
OVERFLOW = "(others)"
"""Key of the limit that serves new keys while every other one holds calls."""
DROPPED_AT_ONCE = 256
"""Unused limits that one new key drops at most, so that no call waits for thousands."""
LOOK_AGAIN = 1.0
"""Seconds for which nobody looks for a place after all limits were found to hold calls."""


class _Kept:
    """The limit of one key.

    Attributes:
        key: The key, or None for the limit of the whole policy.
        touched: When it was used last.
        told, told_at: The limit in the latest event, and when that was.
    """

    __slots__ = ("key", "machine", "told", "told_at", "touched")

    def __init__(self, key: str | None, config: AdaptiveLimitConfig, now: float) -> None:
        self.key = key
        self.machine = LimitMachine(config, now)
        self.touched = now
        self.told = self.machine.limit
        self.told_at = now


class AdaptiveLimit:
    """The gate of one adaptive limit.

    A new key beyond `maximum` drops the limits that were not used for `idle` seconds, up to 256 of them, or else the
    one used longest ago among those that hold no call; while there is none, new keys share one limit.

    Arguments:
        keyed: Whether each key of the policy has a limit of its own.
        maximum: Limits kept at once.
        idle: Seconds after which an unused limit of a key may be dropped.
        bad: Says that a returned value is a failure, which is no response time; None when nobody says.
    """

    __slots__ = (
        "__weakref__", "_bad", "_clock", "_full_until", "_hub", "_idle", "_kept", "_lock", "_maximum", "_name",
        "_overloaded", "_per_key", "config", "rejections",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        config: AdaptiveLimitConfig,
        clock: Clock,
        hub: EventHub,
        *,
        keyed: bool = False,
        maximum: int = 500,
        idle: float = 600.0,
        bad: Callable[[Any], bool] | None = None,
    ) -> None:
        self.rejections = 0
        self._name = name
        self._clock = clock
        self._hub = hub
        self._lock = new_lock()
        self._kept: OrderedDict[str | None, _Kept] = OrderedDict()  # in the order of their last use
        self._full_until = -inf
        self._adopt(config, keyed, maximum, idle, bad)
        if not self._per_key:
            self._kept[None] = _Kept(None, config, clock.monotonic())
        renew_after_fork(self)

    def _adopt(
        self, config: AdaptiveLimitConfig, keyed: bool, maximum: int, idle: float, bad: Callable[[Any], bool] | None
    ) -> None:
        self.config = config
        self._per_key = keyed and config.per_key
        self._maximum = maximum
        self._idle = idle
        self._bad = bad
        self._overloaded = overload_classifier(config)

    # ------------------------------------------------------------------ figures

    @property
    def limit(self) -> int:
        """Slots, of all keys together."""
        return sum(kept.machine.limit for kept in list(self._kept.values()))

    @property
    def running(self) -> int:
        """Slots in use, of all keys together."""
        return sum(kept.machine.running for kept in list(self._kept.values()))

    @property
    def waiting(self) -> int:
        """Attempts in line, of all keys together."""
        return sum(kept.machine.waiting for kept in list(self._kept.values()))

    def snapshots(self) -> tuple[LimitSnapshot, ...]:
        """Return how the limit of each key stands."""
        from ..snapshot import LimitSnapshot

        with self._lock:
            return tuple(
                LimitSnapshot(
                    key=kept.key,
                    limit=kept.machine.limit,
                    running=kept.machine.running,
                    waiting=kept.machine.waiting,
                    baseline=kept.machine.baseline,
                )
                for kept in self._kept.values()
            )

    # ------------------------------------------------------------------ calls

    def enter(self, call: Call) -> object:
        """Take a slot, or a place in line; raises LimitReachedError when there is neither."""
        rank = REQUEST.get().criticality.rank
        now = self._clock.monotonic()
        with self._lock:
            kept = self._of(call.circuit.key if self._per_key else None, now)
            answer = kept.machine.acquire(now, rank)
            if answer is None:
                self.rejections += 1
            else:
                answer.owner = kept
                if type(answer) is Flight:
                    answer.holder = get_ident()
            news = self._news(kept, now)
        if news is not None:
            self._spread(kept, news)
        if type(answer) is Flight:
            return answer
        if answer is None:
            raise self._refused(kept)
        limit = self.config.max_wait
        if call.deadline is not None:
            left = call.deadline - now
            limit = left if limit is None else min(limit, left)
        return Wait(ticket=answer, limit=limit)  # type: ignore[arg-type]  # a Place, since it is no Flight

    def resume(self, call: Call, wait: Wait) -> object:
        """Return the slot that the place was granted; raises LimitReachedError when the wait was in vain."""
        place: Any = wait.ticket
        kept: _Kept = place.owner
        with self._lock:
            flight = kept.machine.withdraw(place)
            if flight is not None:
                flight.owner = kept
                flight.holder = get_ident()
                return flight
            self.rejections += 1
        raise self._refused(kept)

    def give_up(self, call: Call, wait: Wait) -> None:
        """Leave the line; a slot that was granted meanwhile passes on."""
        call.not_started()
        place: Any = wait.ticket
        kept: _Kept = place.owner
        with self._lock:
            flight = kept.machine.withdraw(place)
        if flight is not None:
            self._release(kept, flight, IGNORED)

    def leave(self, call: Call, permit: Any, error: BaseException | None, value: object) -> None:
        """Free the slot, whatever became of the attempt, and learn from it."""
        self._release(permit.owner, permit, self._judge(value) if error is None else self._overloaded(error))

    @property
    def slots(self) -> LimitMachine | None:
        """The machine where slots may be taken without the lock, or None where that is not so."""
        kept = None if self._per_key or self.config.result_predicate is not None else self._kept.get(None)
        return None if kept is None else kept.machine

    def catch_up(self, slots: LimitMachine, now: float) -> None:
        """Do what is due after a slot was given back without the lock."""
        self._settle(slots, now, IGNORED)

    def leave_quickly(self, slots: LimitMachine, key: object, now: float, error: BaseException) -> None:
        """Give a slot back that was taken without the lock and whose call failed."""
        slots.in_flight.pop(key, None)
        self._settle(slots, now, self._overloaded(error))

    # ------------------------------------------------------------------ operators

    def reconfigure(
        self,
        config: AdaptiveLimitConfig,
        *,
        keyed: bool = False,
        maximum: int = 500,
        idle: float = 600.0,
        bad: Callable[[Any], bool] | None = None,
    ) -> None:
        """Go on under `config`; limits, baselines and calls in flight stay unless keys come or go."""
        now = self._clock.monotonic()
        woken: list[Place[Flight]] = []
        with self._lock:
            before = self._per_key
            self._adopt(config, keyed, maximum, idle, bad)
            for kept in self._kept.values():
                kept.machine.reconfigure(config, now)
                woken += kept.machine.woken
                kept.machine.woken.clear()
            if self._per_key != before:
                self._kept = OrderedDict()
                if not self._per_key:
                    self._kept[None] = _Kept(None, config, now)
            self._full_until = -inf
        _wake(woken)

    def after_fork_in_child(self) -> None:
        """Keep the slots of the thread that lives on; those of the parent's other threads will not come back here."""
        holder = get_ident()
        now = self._clock.monotonic()
        for kept in self._kept.values():
            machine = kept.machine
            machine.keep([flight for flight in machine.flights() if flight.holder == holder], now)

    # ------------------------------------------------------------------ inside

    def _of(self, key: str | None, now: float) -> _Kept:
        """Return the limit of a key; the lock is held."""
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) - (OVERFLOW in self._kept) >= self._maximum and not self._drop_idle(now):
                key = OVERFLOW
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = _Kept(key, self.config, now)
        kept.touched = now
        if key is not None:
            self._kept.move_to_end(key)
        return kept

    def _drop_idle(self, now: float) -> bool:
        """Make room for a new key; False when every limit holds calls."""
        if now < self._full_until:
            return False
        unused: list[_Kept] = []
        busy: list[_Kept] = []
        for kept in self._kept.values():
            if kept.machine.running or kept.machine.waiting:
                busy.append(kept)
                continue
            idle = now - kept.touched >= self._idle
            if idle or not unused:
                unused.append(kept)
            if not idle or len(unused) >= DROPPED_AT_ONCE:
                break
        for kept in unused:
            del self._kept[kept.key]
        for kept in busy:  # in use right now, so they are not passed again and again
            kept.touched = now
            self._kept.move_to_end(kept.key)
        if not unused:
            self._full_until = now + LOOK_AGAIN
        return bool(unused)

    def _judge(self, value: object) -> Verdict:
        """Tell what a returned value says; the time of what the breaker calls a failure is no response time."""
        if value is NO_RESULT:
            return SUCCESS
        told, bad = self.config.result_predicate, self._bad
        try:
            if told is not None and told(value):
                return FAILURE
            return IGNORED if bad is not None and bad(value) else SUCCESS
        except Exception:  # a predicate that raises must not keep a slot; what it raises there the breaker reports
            return IGNORED

    def _settle(self, slots: LimitMachine, now: float, verdict: Verdict) -> None:
        kept = self._kept.get(None)
        with self._lock:
            slots.catch_up(now, verdict)
            if kept is None or kept.machine is not slots:
                # Another revision of the policy has keys, but whoever waits here has no other limit.
                woken, slots.woken = slots.woken, []
                news = None
            else:
                woken, news = [], self._news(kept, now)
        _wake(woken)
        if news is not None and kept is not None:
            self._spread(kept, news)

    def _release(self, kept: _Kept, flight: Flight, verdict: Verdict) -> None:
        now = self._clock.monotonic()
        with self._lock:
            kept.machine.release(flight, now, verdict)
            news = self._news(kept, now)
        if news is not None:
            self._spread(kept, news)

    def _news(self, kept: _Kept, now: float) -> tuple[Sequence[Place[Flight]], int | None] | None:
        """Return whom to wake, and the limit told last when the present one is to be told; the lock is held."""
        machine = kept.machine
        if not machine.woken and machine.limit == kept.told:
            return None
        woken: Sequence[Place[Flight]] = ()
        if machine.woken:
            woken, machine.woken = machine.woken, []
        if machine.limit == kept.told or now - kept.told_at < TOLD_EVERY:
            return woken, None
        old, kept.told, kept.told_at = kept.told, machine.limit, now
        return woken, old

    def _spread(self, kept: _Kept, news: tuple[Sequence[Place[Flight]], int | None]) -> None:
        """Wake those who wait and tell the change; the lock is free."""
        woken, old = news
        _wake(woken)
        if old is None or not self._hub.active:
            return
        from ..events import LimitChanged

        machine = kept.machine
        self._hub.emit(
            LimitChanged(
                policy=self._name, at=self._clock.time(), old=old, new=kept.told, running=machine.running,
                waiting=machine.waiting, key=kept.key,
            )
        )  # fmt: skip

    def _refused(self, kept: _Kept) -> LimitReachedError:
        tell_refusal(self._hub, self._clock, self._name, "limit", key=kept.key)
        return LimitReachedError(self._name)


def _wake(places: Sequence[Place[Flight]]) -> None:
    # The waiter sets `wake` and then looks at `granted` and `gone`; here it is the other way round, so one of the two
    # sees.
    for place in places:
        if place.wake is not None:
            place.wake()
