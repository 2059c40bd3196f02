"""The degradation level of one service: set by hand, or led by health, up at once and down step by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..config.base import Config, choice, integer, number
from ..config.degradation import DegradationConfig, DegradationLevel
from ..states import CircuitState

DEPENDENCY_STEPS = 2
"""Steps by which a dependent stays below a dependency that is at `SEVERE` or worse."""

_OPEN = (CircuitState.OPEN, CircuitState.ISOLATED)
_NONE = DegradationLevel.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReading(Config):
    """What was observed of a service; a field that is None says nothing.

    Arguments:
        error_rate: Share of failed calls, 0 to 1.
        calls: Calls that `error_rate` and `latency` rest on; None vouches for enough of them.
        latency: Seconds of the 95th percentile.
        circuit_state: State of the service's circuit; it stays known until another one is observed.
        retry_after: Seconds until an open circuit admits a probe; None while that is unknown. From then on
            the circuit no longer holds the level, or a service that answers with fallbacks would never send
            the probe that closes its circuit.

    Raises:
        ConfigError: with every value out of range.
    """

    error_rate: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    calls: int | None = field(default=None, metadata=integer(unit="calls", optional=True))
    latency: float | None = field(default=None, metadata=number(unit="seconds", optional=True))
    circuit_state: CircuitState | None = field(default=None, metadata=choice(CircuitState, optional=True))
    retry_after: float | None = field(default=None, metadata=number(unit="seconds", optional=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelChange:
    """One move between levels.

    Attributes:
        at: Seconds: on the machine's scale from a machine, since 1970-01-01 UTC in a history.
        old, new: The levels before and after.
        reason: One sentence for an operator.
        automatic: False when an operator asked for it.
    """

    at: float
    old: DegradationLevel
    new: DegradationLevel
    reason: str
    automatic: bool


@dataclass(slots=True)
class _Manual:
    level: DegradationLevel
    reason: str
    until: float


class DegradationMachine:
    """Rules of one service's level. Pure and not thread-safe; the owner locks around each call.

    Two kinds of evidence lead the automatic level. A rate or a latency is true of the moment at which it was
    read. An open circuit and the level of a dependency last until they end. A level falls by one when no
    evidence has supported it for one quiet period. A level set by hand hides the automatic one, which goes on
    underneath. Times are seconds on any monotonic scale. Each method that takes `now` first applies what time
    has brought until then, and returns the changes in order.
    """

    __slots__ = (
        "_automatic", "_circuit_until", "_config", "_dependencies", "_manual", "_quiet_from", "_reason", "since",
    )  # fmt: skip

    def __init__(self, config: DegradationConfig, now: float) -> None:
        self._config = config
        self._automatic = _NONE
        self._reason = "nothing calls for degradation"
        self._manual: _Manual | None = None
        self._quiet_from = now
        self._circuit_until = -math.inf
        self._dependencies: dict[str, DegradationLevel] = {}
        self.since = now

    @property
    def level(self) -> DegradationLevel:
        """The level that counts: the one set by hand, or else the automatic one."""
        return self._automatic if self._manual is None else self._manual.level

    @property
    def automatic_level(self) -> DegradationLevel:
        """The level that health alone calls for."""
        return self._automatic

    @property
    def reason(self) -> str:
        """Why the present level was entered."""
        return self._reason if self._manual is None else self._manual.reason

    @property
    def manual(self) -> bool:
        """True while a level set by hand counts."""
        return self._manual is not None

    @property
    def manual_until(self) -> float:
        """When the level set by hand expires; infinite without an expiry and without such a level."""
        return math.inf if self._manual is None else self._manual.until

    def due(self) -> float:
        """Return the next time at which time alone changes something; infinite when nothing is pending."""
        return min(self.fall_due(), self.manual_until)

    def fall_due(self) -> float:
        """Return when the automatic level falls by one unless new evidence supports it, or infinity."""
        if self._automatic is _NONE or not self._config.automatic:
            return math.inf
        return max(self._quiet_from, self._supported_until()) + self._config.quiet_period

    def advance(self, now: float) -> tuple[LevelChange, ...]:
        """Apply the quiet periods and the expiry that have passed until `now`, each at its own time."""
        changes: list[LevelChange] = []
        while (due := self.due()) <= now:
            if self.fall_due() <= due:
                changes += self._set_automatic(DegradationLevel(self._automatic - 1), self._quiet_text(), due)
            else:
                changes += self._drop_manual("the level set by hand has expired", due, automatic=True)
        return tuple(changes)

    def observe(self, reading: HealthReading, now: float) -> tuple[LevelChange, ...]:
        """Judge one reading: rise at once to the highest level that it calls for, or go on holding the level."""
        changes = self.advance(now)
        if reading.circuit_state is not None:
            self._remember_support(now)
            is_open = reading.circuit_state in _OPEN
            wait = math.inf if reading.retry_after is None else reading.retry_after
            self._circuit_until = now + wait if is_open else -math.inf
        level, reason = max((*self._lasting(now), *self._judged(reading, 1.0)), key=_by_level, default=(_NONE, ""))
        held = max((held for held, _ in self._judged(reading, self._config.restore_factor)), default=_NONE)
        return changes + self._rise(level, reason, held, now)

    def follow(self, levels: Mapping[str, DegradationLevel], now: float) -> tuple[LevelChange, ...]:
        """Take over the present levels of all dependencies, by name; those left out are forgotten."""
        changes = self.advance(now)
        self._remember_support(now)
        self._dependencies = dict(levels)
        return changes + self._rise_to_lasting(now)

    def set_level(
        self, level: DegradationLevel, reason: str, now: float, until: float = math.inf
    ) -> tuple[LevelChange, ...]:
        """Hold `level` until `restore`, or until the time `until`; it counts above and below the automatic one."""
        changes = self.advance(now)
        old = self.level
        self._manual = _Manual(level, reason, until)
        return changes + self._changed(old, reason, False, now)

    def restore(self, reason: str, now: float) -> tuple[LevelChange, ...]:
        """End the level set by hand, or without one the quiet periods that the automatic level waits for.

        An automatic level falls at once to what an open circuit and the dependencies call for.
        """
        changes = self.advance(now)
        if self._manual is not None:
            return changes + self._drop_manual(reason, now, automatic=False)
        level, lasting = max(self._lasting(now), key=_by_level, default=(_NONE, reason))
        if level >= self._automatic:
            return changes
        text = reason if level is _NONE else f"{reason}; {lasting}"
        return changes + self._set_automatic(level, text, now, automatic=False)

    def reconfigure(self, config: DegradationConfig, now: float) -> tuple[LevelChange, ...]:
        """Go on under `config` with the present level; with `automatic` off the level stays until `restore`."""
        changes = self.advance(now)
        self._remember_support(now)
        if config.automatic and not self._config.automatic:
            self._quiet_from = now
        self._config = config
        return changes + self._rise_to_lasting(now)

    def _lasting(self, now: float) -> Iterator[tuple[DegradationLevel, str]]:
        """Yield the levels that an open circuit and the dependencies call for, with the reasons."""
        if not self._config.automatic:
            return
        if self._circuit_until > now:
            yield DegradationLevel(self._config.circuit_open_level), "the circuit is open"
        for name, level in self._dependencies.items():
            if lift := self._lift(level):
                yield lift, f"dependency {name!r} is at {level.name}"

    def _lift(self, level: DegradationLevel) -> DegradationLevel:
        if level < DegradationLevel.SEVERE or not self._config.follow_dependencies:
            return _NONE
        return DegradationLevel(level - DEPENDENCY_STEPS)

    def _judged(self, reading: HealthReading, factor: float) -> Iterator[tuple[DegradationLevel, str]]:
        """Yield the levels whose thresholds times `factor` the reading reaches, with the reasons."""
        config = self._config
        if not config.automatic or (reading.calls is not None and reading.calls < config.minimum_calls):
            return
        if reading.error_rate is not None:
            calls = "" if reading.calls is None else f" of {reading.calls} calls"
            for threshold, level in _error_rates(config):
                if reading.error_rate >= threshold * factor:
                    yield level, f"error rate {reading.error_rate:.3g}{calls} reached {threshold:g}"
        if reading.latency is not None and config.latency is not None:
            for multiple, level in ((1, DegradationLevel.MINIMAL), (2, DegradationLevel.MODERATE)):
                threshold = config.latency * multiple
                if reading.latency >= threshold * factor:
                    yield level, f"latency {reading.latency:.3g} s reached {threshold:g} s"

    def _supported_until(self) -> float:
        """Return until when lasting evidence supports the automatic level; infinite while its end is unknown."""
        if any(self._lift(level) >= self._automatic for level in self._dependencies.values()):
            return math.inf
        return self._circuit_until if self._config.circuit_open_level >= self._automatic else -math.inf

    def _remember_support(self, now: float) -> None:
        """Start the quiet period anew before lasting evidence is replaced that supports the level up to `now`."""
        self._quiet_from = max(self._quiet_from, min(self._supported_until(), now))

    def _rise_to_lasting(self, now: float) -> tuple[LevelChange, ...]:
        level, reason = max(self._lasting(now), key=_by_level, default=(_NONE, ""))
        return self._rise(level, reason, _NONE, now)

    def _rise(
        self, level: DegradationLevel, reason: str, held: DegradationLevel, now: float
    ) -> tuple[LevelChange, ...]:
        if level > self._automatic:
            return self._set_automatic(level, reason, now)
        if self._automatic is not _NONE and max(level, held) >= self._automatic:
            self._quiet_from = now
        return ()

    def _set_automatic(
        self, level: DegradationLevel, reason: str, now: float, *, automatic: bool = True
    ) -> tuple[LevelChange, ...]:
        old = self.level
        self._automatic = level
        self._reason = reason
        self._quiet_from = now
        return self._changed(old, reason, automatic, now)

    def _drop_manual(self, reason: str, now: float, *, automatic: bool) -> tuple[LevelChange, ...]:
        old = self.level
        self._manual = None
        text = reason if self._automatic is _NONE else f"{reason}; {self._reason}"
        if self._automatic is _NONE:
            self._reason = reason
        return self._changed(old, text, automatic, now)

    def _changed(self, old: DegradationLevel, reason: str, automatic: bool, now: float) -> tuple[LevelChange, ...]:
        if self.level is old:
            return ()
        self.since = now
        return (LevelChange(at=now, old=old, new=self.level, reason=reason, automatic=automatic),)

    def _quiet_text(self) -> str:
        return f"nothing called for {self._automatic.name} for {self._config.quiet_period:g} s"


def _error_rates(config: DegradationConfig) -> tuple[tuple[float, DegradationLevel], ...]:
    return (
        (config.minimal_error_rate, DegradationLevel.MINIMAL),
        (config.moderate_error_rate, DegradationLevel.MODERATE),
        (config.severe_error_rate, DegradationLevel.SEVERE),
        (config.critical_error_rate, DegradationLevel.CRITICAL),
    )


def _by_level(judged: tuple[DegradationLevel, str]) -> DegradationLevel:
    return judged[0]
