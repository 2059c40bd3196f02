"""How traffic returns to a circuit that probes have closed: over time, or with each success."""

from __future__ import annotations

from ..config.breaker import CircuitBreakerConfig, RampKind


class TimedRamp:
    """Admits a share of the calls that grows until `end`."""

    __slots__ = ("_credit", "end")

    def __init__(self, end: float) -> None:
        self.end = end
        self._credit = 0.0

    def admits(self, now: float, config: CircuitBreakerConfig) -> bool:
        """Spread admissions evenly: each arrival adds the present share, a full credit admits one."""
        assert config.ramp is not None
        left = (self.end - now) / config.ramp
        share = 1.0 - (1.0 - config.ramp_start) * min(1.0, max(0.0, left))
        self._credit += share
        if self._credit < 1.0:
            return False
        self._credit -= 1.0
        return True


class SuccessRamp:
    """Admits `allowed` calls at once: one more with each success, half as many after a failure."""

    __slots__ = ("allowed",)

    def __init__(self) -> None:
        self.allowed = 1

    def settle(self, *, well: bool) -> None:
        """Count the result of a call."""
        self.allowed = self.allowed + 1 if well else max(1, self.allowed // 2)


Ramp = TimedRamp | SuccessRamp


def ramp_of(config: CircuitBreakerConfig, now: float) -> Ramp | None:
    """Return the ramp of a circuit that closes at `now`, or None when all traffic returns at once."""
    if config.ramp_kind is RampKind.SUCCESS:
        return SuccessRamp()
    return None if config.ramp is None else TimedRamp(now + config.ramp)
