"""Levels of services: who is registered, what leads each level, and the background evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from ..clock import SYSTEM_CLOCK, Clock
from ..config.base import integer, number
from ..config.degradation import DegradationConfig, DegradationLevel
from ..config.fallback import Fallback
from ..errors import FailureSummary, NotFoundError
from ..events import LevelChanged
from ..hub import DEFAULT_HUB, EventHub
from ..locks import new_lock
from ..machines.degradation import HealthReading, LevelChange
from ..states import CircuitState
from .degraded_service import DegradationSnapshot, DegradedService, Registration, check_hold, checked, reason_text
from .dependencies import dependencies_first
from .evaluator import ErrorNote, Evaluator
from .features import Feature
from .health_window import Health, HealthWindow, Look, Watched, combine

Pulled = tuple[DegradedService, HealthWindow, Look | None]


class Standing(NamedTuple):
    """The level of one service; `since` is in seconds since 1970-01-01 UTC."""

    service: str
    level: DegradationLevel
    reason: str
    automatic: bool
    since: float


class ServiceLevels:
    """The services of a `GracefulDegradation` and their levels; see there."""

    def __init__(self, *, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB, history_size: int = 100) -> None:
        self._history_size: int = checked("GracefulDegradation", "history_size", history_size, integer(minimum=1))
        self._clock = clock
        self._hub = hub
        self._lock = new_lock()
        self._services: dict[str, DegradedService] = {}  # guarded by _lock
        self._order: tuple[str, ...] = ()  # guarded by _lock
        self._levels: dict[str, DegradationLevel] = {}  # written under _lock, read without
        self._due = math.inf  # written under _lock, read without
        self._features: dict[str, Feature] = {}  # written under _lock, read without
        self._note = ErrorNote(clock)
        self._evaluator = Evaluator(self.evaluate, clock, self._note)

    # ------------------------------------------------------------------ services

    def register_service(
        self,
        name: str,
        *,
        fallbacks: Mapping[DegradationLevel, Fallback] | None = None,
        depends_on: Iterable[str] = (),
        config: DegradationConfig | None = None,
        health: Callable[[], Health] | None = None,
        watch: Iterable[Watched] = (),
    ) -> None:
        """Register a service, or update a registered one, which keeps its level, counts and history.

        Arguments:
            name: 1 to 200 characters without control characters.
            fallbacks: What `execute` runs from a level on, keyed by levels above `NONE`. Each is a plain or
                coroutine function that takes nothing or one `Outcome`; `Value(x)` is a constant.
            depends_on: Names of services; they may be registered later.
            config: When the level follows health; `DegradationConfig()` by default.
            health: Gives a `HealthReading`, a snapshot or a `Tally`; called at each evaluation, and once here to
                learn the counts to start from. Must not block. An error of it is no reading: it is logged, and
                found in `last_error` and in the snapshot.
            watch: Circuits and policies, or anything else with a `snapshot()` method, besides `health`.

        Raises:
            ConfigError: with every violation, or when services would depend on each other in a circle; then
                nothing has changed.
        """
        registration = Registration.check(name, fallbacks, depends_on, config, health, watch)
        with self._changing() as now:
            graph = {other.name: other.depends_on for other in self._services.values()}
            self._order = dependencies_first({**graph, registration.name: registration.depends_on})
            service = self._services.get(registration.name)
            if service is None:
                service = DegradedService(registration, now, self._history_size)
                self._services[registration.name] = service
                self._levels[registration.name] = service.machine.level
            else:
                service.adopt(registration)
                self._record(service, service.machine.reconfigure(registration.config, now))
            windows = service.windows if service.config.automatic else ()
        self._read(self._pull(service, windows))

    def unregister_service(self, name: str) -> None:
        """Forget a service; its dependents no longer follow it, and its features count as on.

        Raises:
            NotFoundError: when no service has that name.
        """
        with self._changing():
            self._get(name)
            del self._services[name], self._levels[name]
            self._order = tuple(other for other in self._order if other != name)

    def services(self) -> tuple[str, ...]:
        """Return the names of the registered services, in the order of registration."""
        with self._lock:
            return tuple(self._services)

    def degraded(self) -> dict[str, DegradationLevel]:
        """Return the services above `NONE` with their levels."""
        self._catch_up()
        with self._lock:
            return {name: level for name, level in self._levels.items() if level}

    def snapshot(self, service: str) -> DegradationSnapshot:
        """Return how a service stands; raises NotFoundError when it is not registered."""
        with self._changing() as now:
            found = self._get(service)
            features = {f.name: found.machine.level <= f.up_to for f in self._features.values() if f.service == service}
            unknown = tuple(name for name in found.depends_on if name not in self._services)
            return found.snapshot(now, self._clock.time(), unknown, features)

    # ------------------------------------------------------------------ levels

    def standings(self) -> list[Standing]:
        """Return how the level of every service stands, cheap enough to be asked each second."""
        self._catch_up()
        with self._lock:
            offset = self._clock.time() - self._clock.monotonic()
            return [
                Standing(name, s.machine.level, s.machine.reason, not s.machine.manual, s.machine.since + offset)
                for name, s in self._services.items()
            ]

    def level(self, service: str) -> DegradationLevel:
        """Return the present level; takes no lock while nothing is due. Raises NotFoundError when unknown."""
        self._catch_up()
        try:
            return self._levels[service]
        except KeyError:
            raise NotFoundError("service", service) from None

    def set_level(
        self, service: str, level: DegradationLevel, reason: str, *, expires_after: float | None = None
    ) -> None:
        """Hold a level by hand; it counts whatever health says, until `restore` or its expiry.

        Arguments:
            service: Name of a registered service.
            level: Any level, `NONE` included, which keeps the service whole.
            reason: One sentence for whoever asks later; not empty.
            expires_after: Seconds until the automatic level counts again; above 0, None (default) for never.

        Raises:
            ConfigError: with every violation.
            NotFoundError: when no service has that name.
        """
        chosen, text, seconds = check_hold(level, reason, expires_after)
        with self._changing() as now:
            found = self._get(service)
            until = math.inf if seconds is None else now + seconds
            self._record(found, found.machine.set_level(chosen, text, now, until))

    def restore(self, service: str, reason: str = "restored by an operator") -> None:
        """End a level set by hand: the service goes back to its automatic level, `NONE` in good health.

        A level that is automatic already loses its quiet periods: it falls at once to what an open circuit
        and the dependencies call for, `NONE` when nothing does, and rises again with the next bad reading.

        Raises:
            ConfigError: when `reason` is empty or no text.
            NotFoundError: when no service has that name.
        """
        reason_text("restore", reason)
        with self._changing() as now:
            found = self._get(service)
            self._record(found, found.machine.restore(reason, now))

    # ------------------------------------------------------------------ health

    def observe(
        self,
        service: str,
        *,
        error_rate: float | None = None,
        calls: int | None = None,
        latency: float | None = None,
        circuit_state: CircuitState | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Push what was observed of a service; what is left out says nothing. See `HealthReading`.

        Raises:
            ConfigError: with every value out of range.
            NotFoundError: when no service has that name.
        """
        reading = HealthReading(
            error_rate=error_rate, calls=calls, latency=latency, circuit_state=circuit_state, retry_after=retry_after
        )
        with self._changing() as now:
            self._judge(self._get(service), reading, now)

    def evaluate(self) -> None:
        """Pull the health of all services, judge it, and apply what time has brought.

        Error rates rest on the calls since the last evaluation, those of `execute` included, never on totals;
        calls too few to be judged add up for 60 s. Errors of health callables do not surface here.
        """
        with self._lock:
            pending = [(service, service.windows) for service in self._services.values() if service.config.automatic]
        pulled = [item for service, windows in pending for item in self._pull(service, windows)]
        self._read([*pulled, *((service, service.own, None) for service, _ in pending)])

    def start(self, interval: float = 1.0) -> None:
        """Evaluate every `interval` seconds in a daemon thread of this object, until `stop`.

        The first evaluation comes at once. When it runs already, it goes on with the new interval. The thread
        also ends when this object is gone. A forked child has none until it calls `start` itself.

        Raises:
            ConfigError: when `interval` is not a finite number above 0.
        """
        self._evaluator.start(checked("start", "interval", interval, number(above=True, unit="seconds")))

    def stop(self) -> None:
        """End the background evaluation and wait up to 5 s for its present round; it can be started again."""
        self._evaluator.stop()

    @property
    def running(self) -> bool:
        """True while the background evaluation runs in this process."""
        return self._evaluator.running

    @property
    def last_error(self) -> FailureSummary | None:
        """The last error of a health callable or of the background evaluation, or None."""
        return self._note.last

    # ------------------------------------------------------------------ inside

    def _pull(self, service: DegradedService, windows: Iterable[HealthWindow]) -> list[Pulled]:
        """Call health callables, without the lock; the errors are kept and told, and give no reading."""
        pulled: list[Pulled] = []
        error_seen: FailureSummary | None = None
        for window in windows:
            try:
                pulled.append((service, window, window.look()))
            except Exception as error:  # health is the user's code; it must not end the evaluation of the others
                error_seen = self._note.take(f"the health of {service.name!r}", error)
        service.health_error = error_seen or service.health_error
        return pulled

    def _read(self, pulled: Iterable[Pulled]) -> None:
        """Turn what was pulled into one reading for each service, and judge them at one moment."""
        with self._changing() as now:
            readings: dict[DegradedService, list[HealthReading]] = {}
            for service, window, look in pulled:
                if self._services.get(service.name) is service:
                    minimum = service.config.minimum_calls
                    if look is None:
                        reading = window.read(service.own_tally(), now, minimum)
                    else:
                        reading = window.read_look(look, now, minimum)
                    readings.setdefault(service, []).append(reading)
            for service, found in readings.items():
                self._judge(service, combine(found), now)

    def _judge(self, service: DegradedService, reading: HealthReading, now: float) -> None:
        if reading != HealthReading():
            service.reading = reading
            self._record(service, service.machine.observe(reading, now))

    def _get(self, name: str) -> DegradedService:
        try:
            return self._services[name]
        except KeyError:
            raise NotFoundError("service", name) from None

    def _catch_up(self) -> None:
        if self._due != math.inf and self._clock.monotonic() >= self._due:
            with self._changing():
                pass

    @contextmanager
    def _changing(self) -> Iterator[float]:
        """Hold the lock, with everything due applied before and dependents following afterwards."""
        with self._lock:
            now = self._clock.monotonic()
            self._settle(now)
            try:
                yield now
            finally:
                self._propagate(now)
                self._due = self._next_due()

    def _settle(self, now: float) -> None:
        """Apply what is due in the order of its times, so that it does not matter when somebody looks."""
        while (due := self._next_due()) <= now:
            for service in self._services.values():
                self._record(service, service.machine.advance(due))
            self._propagate(due)

    def _propagate(self, now: float) -> None:
        for name in self._order:
            service = self._services[name]
            known = {other: self._levels[other] for other in service.depends_on if other in self._levels}
            self._record(service, service.machine.follow(known, now))

    def _next_due(self) -> float:
        return min((service.machine.due() for service in self._services.values()), default=math.inf)

    def _record(self, service: DegradedService, changes: Iterable[LevelChange]) -> None:
        for change in changes:
            at = self._clock.time() - (self._clock.monotonic() - change.at)
            service.changes += 1
            service.history.append(replace(change, at=at))
            self._hub.emit(
                LevelChanged(
                    policy=service.name, at=at, old=change.old, new=change.new, reason=change.reason,
                    automatic=change.automatic,
                )
            )  # fmt: skip
        self._levels[service.name] = service.machine.level
