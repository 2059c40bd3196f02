"""The admission of requests to a server at run time."""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, NamedTuple
from weakref import WeakSet

from ..chance import chance
from ..clock import SYSTEM_CLOCK, Clock
from ..config.admission import AdmissionConfig
from ..context import Criticality
from ..errors import ConfigError, DeadlineExceededError, ShedError, Violation
from ..hub import DEFAULT_HUB, EventHub
from ..locks import CONFIGURING, new_lock, renew_after_fork
from ..machines.admission import LEVELS, AdmissionMachine, FixedSlots, Slots, level_of
from ..machines.limit import LimitMachine
from ..machines.line import Place
from ..outcome import Verdict
from .gate import Wait, tell_refusal


class AdmissionFigures(NamedTuple):
    """What a server has served and refused.

    Attributes:
        name: Name of the server.
        limit, running, waiting: Slots, those in use, and requests that wait for one.
        threshold: Lowest level that is served, 0 to 499; 0 while nobody is refused by level.
        served, shed: Requests that were let in and those that were refused, by class, the most critical one first.
        expired: Requests that were refused because their caller had stopped waiting.
    """

    name: str
    limit: int
    running: int
    waiting: int
    threshold: int
    served: tuple[int, ...]
    shed: tuple[int, ...]
    expired: int


class Permit:
    """Leave for one request to be inside: its slot, and the thread that has it."""

    __slots__ = ("holder", "slot")

    def __init__(self, slot: Any) -> None:  # Any: see `Slots`
        self.slot = slot
        self.holder = get_ident()


class Admission:
    """Lets requests into a server, and refuses the least important ones when there are too many.

    Arguments:
        config: The configuration; the defaults when left out.
        slots: What limits the requests that run at once; by default what the configuration says.
        clock: Where time comes from; the system's by default.
        hub: Where events go; the shared one by default.
        source: Gives random numbers in [0, 1).

    Raises:
        ConfigError: when the configuration is something else.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_expired",
        "_inside",
        "_lock",
        "_machine",
        "_random",
        "_served",
        "_shed",
        "config",
        "hub",
    )

    def __init__(
        self,
        config: AdmissionConfig | None = None,
        *,
        slots: Slots | None = None,
        clock: Clock = SYSTEM_CLOCK,
        hub: EventHub = DEFAULT_HUB,
        source: Callable[[], float] = chance,
    ) -> None:
        if config is not None and not isinstance(config, AdmissionConfig):
            raise ConfigError("Admission", [Violation("config", config, "an AdmissionConfig or None")])
        self.config = config = AdmissionConfig() if config is None else config
        self._clock = clock
        self.hub = hub
        self._random = source
        self._lock = new_lock()
        now = clock.monotonic()
        if slots is None:
            limit = config.limit
            slots = FixedSlots(config.max_concurrent, config.max_waiting) if limit is None else LimitMachine(limit, now)
        self._machine = AdmissionMachine(config, slots, now)
        self._served = [0] * len(Criticality)
        self._shed = [0] * len(Criticality)
        self._expired = 0
        self._inside: dict[Permit, None] = {}  # in order of arrival, which a set would not keep
        with CONFIGURING:
            ADMISSIONS.add(self)
        renew_after_fork(self)

    def enter(
        self,
        criticality: Criticality,
        fairness: str | None = None,
        waited: float | None = None,
        left: float | None = None,
    ) -> Permit | Wait:
        """Return a permit for one request, to be given to `leave`, or a `Wait` for it, as a gate does.

        Arguments:
            criticality: Class of the request.
            fairness: Whom it is for, as `fairness_key` gives it; None leaves the place within the class to chance.
            waited: Seconds that it had waited before it came here, or None when nobody knows.
            left: Seconds until its caller stops waiting, or None.

        Raises:
            ShedError: when it is refused; `retry_after` is a whole number of seconds, different each time.
        """
        now = self._clock.monotonic()
        rank = criticality.rank
        user = None if fairness is None else int(fairness, 16)
        level = level_of(rank, user, int(self._clock.time() / self.config.rotation), self._random())
        machine = self._machine
        with self._lock:
            before = machine.threshold
            answer = machine.enter(now, rank, level, waited)
            after = machine.threshold
            if answer is None:
                self._shed[rank] += 1
            elif not isinstance(answer, Place):
                machine.served(0.0)
                self._served[rank] += 1
                answer = self._hold(answer)
            woken = self._woken()
        _wake(woken)
        if before != after and self.hub.watched:
            from ..events import SheddingChanged

            self.hub.emit(
                SheddingChanged(policy=self.config.name, at=self._clock.time(), old=before, new=after, levels=LEVELS)
            )
        if answer is None:
            raise self._refused()
        if isinstance(answer, Permit):
            return answer
        answer.owner = now
        longest = self.config.max_wait
        return Wait(ticket=answer, limit=longest if left is None else min(longest, left))

    def resume(self, call: object, wait: Wait) -> Permit:
        """Return the permit after a wait; raises ShedError when it was in vain."""
        permit = self._withdraw(wait)
        if permit is None:
            raise self._refused()
        return permit

    def give_up(self, call: object, wait: Wait) -> None:
        """Leave the line; a slot that was granted meanwhile passes on."""
        permit = self._withdraw(wait)
        if permit is not None:
            self.leave(permit, Verdict.ABANDONED)

    def leave(self, permit: Permit, verdict: Verdict = Verdict.SUCCESS) -> None:
        """Give a permit back, once, with how the request ended.

        SUCCESS for an answer in good time, FAILURE for overload, anything else for what says nothing about the load.
        """
        now = self._clock.monotonic()
        with self._lock:
            self._inside.pop(permit, None)
            self._machine.leave(permit.slot, now, verdict)
            woken = self._woken()
        _wake(woken)

    def after_fork_in_child(self) -> None:
        """Keep the requests of the thread that lives on; those of the parent's other threads do not end here."""
        holder = get_ident()
        self._inside = {permit: None for permit in self._inside if permit.holder == holder}
        self._machine.slots.keep([permit.slot for permit in self._inside], self._clock.monotonic())

    def _hold(self, slot: Any) -> Permit:  # Any: see `Slots`
        """Note who has a slot; the lock is held."""
        permit = Permit(slot)
        self._inside[permit] = None
        return permit

    def _withdraw(self, wait: Wait) -> Permit | None:
        place: Any = wait.ticket
        now = self._clock.monotonic()
        waited = max(0.0, now - place.owner)
        with self._lock:
            slot = self._machine.withdraw(place, waited)
            if slot is None:
                self._shed[place.rank] += 1
                return None
            self._machine.served(waited)
            self._served[place.rank] += 1
            return self._hold(slot)

    def _woken(self) -> list[Place[Any]]:
        slots = self._machine.slots
        woken, slots.woken = slots.woken, []
        return woken

    def expired(self) -> DeadlineExceededError:
        """Count and return the refusal of a request whose caller has stopped waiting."""
        with self._lock:
            self._expired += 1
        tell_refusal(self.hub, self._clock, self.config.name, "deadline")
        return DeadlineExceededError(self.config.name)

    def figures(self) -> AdmissionFigures:
        """Return what was served and refused so far."""
        with self._lock:
            machine = self._machine
            return AdmissionFigures(
                self.config.name, machine.slots.limit, machine.slots.running, machine.slots.waiting, machine.threshold,
                tuple(self._served), tuple(self._shed), self._expired,
            )  # fmt: skip

    def _refused(self) -> ShedError:
        # Whole seconds, because HTTP knows no others; spread, so that those refused together do not return together.
        retry_after = float(max(1, round(self.config.retry_after * (0.5 + self._random()))))
        tell_refusal(self.hub, self._clock, self.config.name, "admission", retry_after=retry_after)
        return ShedError(self.config.name, retry_after)


def _wake(places: list[Place[Any]]) -> None:
    # The waiter sets `wake` and then looks at the place; here it is the other way round, so one of the two sees.
    for place in places:
        if place.wake is not None:
            place.wake()


ADMISSIONS: WeakSet[Admission] = WeakSet()
"""Those of this process; `admissions` lists them."""


def admissions(hub: EventHub | None = None) -> list[Admission]:
    """Return the servers of this process by name, or only those whose events go to `hub`."""
    with CONFIGURING:  # another thread may be making one
        found = list(ADMISSIONS)
    return sorted((one for one in found if hub is None or one.hub is hub), key=lambda one: one.config.name)
