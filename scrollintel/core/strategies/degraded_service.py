"""What is kept of one service whose level changes: its rules, its fallbacks, its counts and its history."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..config.base import NAME_ALLOWED, InvalidValue, Rule, name_problem, number
from ..config.degradation import DegradationConfig, DegradationLevel
from ..errors import ConfigError, FailureSummary, RejectedError, Violation
from ..machines.degradation import DegradationMachine, HealthReading, LevelChange
from ..snapshot import Tally
from .degraded_execution import LevelFallback, takes_at_most_one
from .fallback import takes_outcome
from .health_window import Health, HealthWindow

_LEVELS = "one of " + ", ".join(level.name for level in DegradationLevel)


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradationSnapshot:
    """How one service stands.

    Attributes:
        service, level, reason: Name, present level, and why that level was entered.
        since: When it was entered, in seconds since 1970-01-01 UTC.
        manual: True while an operator holds the level; `expires_at` is when that ends (same scale) or None.
        automatic_level: The level that health alone calls for; goes on beneath a level set by hand.
        next_fall: Seconds until the automatic level falls by one if nothing supports it; None when not due.
        depends_on, unknown_dependencies: Names of its dependencies; those of them that are not registered.
        features: Which of its declared features are on.
        fallback_levels: The levels that have a fallback.
        changes: Changes since registration; `history` keeps the last of them.
        operations, operation_failures: Ends of operations that were executed under it; refusals by this
            library and cancelled ones count for nothing.
        fallback_uses, fallback_failures: Answers given by fallbacks, by level; fallbacks that raised.
        reading: The last reading that was judged, or None.
        health_error: The last error of one of its health callables, or None.
    """

    service: str
    level: DegradationLevel
    reason: str
    since: float
    manual: bool
    expires_at: float | None
    automatic_level: DegradationLevel
    next_fall: float | None
    depends_on: tuple[str, ...]
    unknown_dependencies: tuple[str, ...]
    features: Mapping[str, bool]
    fallback_levels: tuple[DegradationLevel, ...]
    changes: int
    operations: int
    operation_failures: int
    fallback_uses: Mapping[DegradationLevel, int]
    fallback_failures: int
    reading: HealthReading | None
    health_error: FailureSummary | None
    history: tuple[LevelChange, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the snapshot as JSON values, levels by name; the free text of the last error is left out."""
        result = asdict(self)
        for key in ("level", "automatic_level"):
            result[key] = result[key].name
        result["fallback_levels"] = [level.name for level in self.fallback_levels]
        result["fallback_uses"] = {level.name: count for level, count in self.fallback_uses.items()}
        result["reading"] = None if self.reading is None else self.reading.to_dict()
        result["history"] = [{**asdict(c), "old": c.old.name, "new": c.new.name} for c in self.history]
        result["health_error"] = None if self.health_error is None else self.health_error.to_dict()
        return result


@dataclass(frozen=True, slots=True)
class Registration:
    """The checked arguments of a registration."""

    name: str
    fallbacks: tuple[LevelFallback, ...]
    depends_on: tuple[str, ...]
    config: DegradationConfig
    pulls: tuple[Callable[[], Health], ...]

    @classmethod
    def check(
        cls,
        name: object,
        fallbacks: object,
        depends_on: object,
        config: object,
        health: object,
        watch: object,
    ) -> Registration:
        """Return the arguments in their final form; raises one ConfigError that names all violations."""
        bad: list[Violation] = []
        if name_problem(name):
            bad.append(Violation("name", name, NAME_ALLOWED))
        listed = _check_fallbacks(fallbacks, bad)
        names = _check_names(depends_on, bad)
        if config is not None and not isinstance(config, DegradationConfig):
            bad.append(Violation("config", config, "a DegradationConfig or None"))
        pulls = _check_health(health, watch, bad)
        if bad:
            raise ConfigError("register_service", bad)
        assert isinstance(name, str)
        settings = config if isinstance(config, DegradationConfig) else DegradationConfig()
        return cls(name, listed, names, settings, pulls)


def _check_fallbacks(fallbacks: object, bad: list[Violation]) -> tuple[LevelFallback, ...]:
    if fallbacks is None:
        return ()
    if not isinstance(fallbacks, Mapping):
        bad.append(Violation("fallbacks", fallbacks, "a mapping of levels to callables, or None"))
        return ()
    listed = []
    for key, answer in fallbacks.items():
        level = as_level(key)
        if level is None or level is DegradationLevel.NONE:
            bad.append(Violation("fallbacks", key, f"keyed by a level above NONE, {_LEVELS}"))
        if not callable(answer) or not takes_at_most_one(answer):
            allowed = "a callable that takes nothing or one Outcome; Value(x) is a constant"
            bad.append(Violation(f"fallbacks[{key!r}]", answer, allowed))
        elif level is not None:
            listed.append(LevelFallback(level, answer, takes_outcome(answer)))
    return tuple(sorted(listed, key=lambda fallback: fallback.level))


def _check_names(names: object, bad: list[Violation]) -> tuple[str, ...]:
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        bad.append(Violation("depends_on", names, "a list of names"))
        return ()
    listed = tuple(dict.fromkeys(names))
    bad.extend(Violation("depends_on", name, NAME_ALLOWED) for name in listed if name_problem(name))
    return listed


def _check_health(health: object, watch: object, bad: list[Violation]) -> tuple[Callable[[], Health], ...]:
    pulls: list[Callable[[], Health]] = []
    if callable(health):
        pulls.append(health)
    elif health is not None:
        bad.append(Violation("health", health, "a callable or None"))
    watched = watch if isinstance(watch, Iterable) and not isinstance(watch, str | bytes) else (watch,)
    for item in watched:
        pull = getattr(item, "snapshot", None)
        if callable(pull):
            pulls.append(pull)
        else:
            bad.append(Violation("watch", item, "a list of circuits or policies, each with a snapshot() method"))
    return tuple(pulls)


def as_level(value: object) -> DegradationLevel | None:
    """Return a level from itself or its number, or None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= max(DegradationLevel):
        return None
    return DegradationLevel(value)


def require_level(subject: str, field: str, value: object) -> DegradationLevel:
    """Return `value` as a level; raises ConfigError when it is none."""
    level = as_level(value)
    if level is None:
        raise ConfigError(subject, [Violation(field, value, _LEVELS)])
    return level


def checked(subject: str, field: str, value: object, metadata: Mapping[str, Rule]) -> Any:  # Any: as the rule says
    """Return `value` as the rule normalises it; raises ConfigError when it does not fit."""
    rule = metadata["rule"]
    try:
        return rule.apply(value)
    except InvalidValue:
        raise ConfigError(subject, [Violation(field, value, rule.text())]) from None


def reason_text(subject: str, reason: object) -> str:
    """Return `reason`; raises ConfigError when it is empty or no text."""
    if not isinstance(reason, str) or not reason.strip():
        raise ConfigError(subject, [Violation("reason", reason, "a sentence for whoever asks later")])
    return reason


def check_hold(level: object, reason: object, expires_after: object) -> tuple[DegradationLevel, str, float | None]:
    """Return the arguments of `set_level`; raises one ConfigError that names all violations."""
    seconds = number(above=True, unit="seconds", optional=True)
    bad: list[Violation] = []
    results: list[Any] = []  # Any: one of three types each
    for check in (
        lambda: require_level("set_level", "level", level),
        lambda: reason_text("set_level", reason),
        lambda: checked("set_level", "expires_after", expires_after, seconds),
    ):
        try:
            results.append(check())
        except ConfigError as error:
            bad.extend(error.violations)
    if bad:
        raise ConfigError("set_level", bad)
    chosen, text, expiry = results
    return chosen, text, expiry


class DegradedService:
    """One registered service. Not thread-safe: the owner locks around each use, never while user code runs."""

    def __init__(self, registration: Registration, now: float, history_size: int) -> None:
        self.name = registration.name
        self.machine = DegradationMachine(registration.config, now)
        self.history: deque[LevelChange] = deque(maxlen=history_size)
        self.changes = 0
        self.operations = 0
        self.operation_failures = 0
        self.fallback_uses: dict[DegradationLevel, int] = {}
        self.fallback_failures = 0
        self.reading: HealthReading | None = None
        self.health_error: FailureSummary | None = None
        self.own = HealthWindow(self.own_tally)
        self.own.read(self.own_tally(), now, registration.config.minimum_calls)
        self.adopt(registration)

    def adopt(self, registration: Registration) -> None:
        """Take over everything but the level, which the caller changes by `machine.reconfigure`."""
        self.config = registration.config
        self.fallbacks = registration.fallbacks
        self.depends_on = registration.depends_on
        self.windows = tuple(HealthWindow(pull) for pull in registration.pulls)

    def own_tally(self) -> Tally:
        """Return the counts of the operations that were executed under this service."""
        return Tally(successes=self.operations - self.operation_failures, failures=self.operation_failures)

    def record_operation(self, error: Exception | None) -> None:
        """Count one end of an operation; a refusal by this library says nothing about its health."""
        if not isinstance(error, RejectedError):
            self.operations += 1
            self.operation_failures += error is not None

    def record_fallback(self, level: DegradationLevel, error: Exception | None) -> None:
        """Count one end of the fallback for `level`."""
        if error is not None:
            self.fallback_failures += 1
        else:
            self.fallback_uses[level] = self.fallback_uses.get(level, 0) + 1

    def snapshot(
        self, now: float, wall: float, unknown: tuple[str, ...], features: Mapping[str, bool]
    ) -> DegradationSnapshot:
        """Return how it stands at `now`, which is `wall` seconds since 1970-01-01 UTC."""
        machine = self.machine
        until, fall = machine.manual_until, machine.fall_due()
        return DegradationSnapshot(
            service=self.name, level=machine.level, reason=machine.reason, since=wall - (now - machine.since),
            manual=machine.manual, expires_at=None if until == math.inf else wall + until - now,
            automatic_level=machine.automatic_level, next_fall=None if fall == math.inf else max(0.0, fall - now),
            depends_on=self.depends_on, unknown_dependencies=unknown, features=features,
            fallback_levels=tuple(fallback.level for fallback in self.fallbacks), changes=self.changes,
            operations=self.operations, operation_failures=self.operation_failures,
            fallback_uses=dict(self.fallback_uses), fallback_failures=self.fallback_failures, reading=self.reading,
            health_error=self.health_error, history=tuple(self.history),
        )  # fmt: skip
