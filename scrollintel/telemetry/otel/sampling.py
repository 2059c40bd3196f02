"""Which calls get a span."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from ...core.config.base import check_name
from ...core.errors import ConfigError, Violation

_BITS = 2**64
"""Of a trace id its lower half decides, as in OpenTelemetry's `TraceIdRatioBased`."""


class Sampler:
    """Chooses a share of the calls.

    Inside a recorded trace the trace's id decides, so that a trace has all calls of a policy or none of them. Inside a
    trace that is not recorded no call is chosen, and outside any trace chance decides.

    Arguments:
        share: Share of the calls, 0 to 1.
        chance: Gives a number from 0 to below 1.
    """

    __slots__ = ("_bound", "_chance", "_share")

    def __init__(self, share: float, chance: Callable[[], float] = random.random) -> None:
        self._share = share
        self._bound = round(share * _BITS)
        self._chance = chance

    def outside(self) -> bool:
        """Decide for a call outside any trace."""
        return self._chance() < self._share

    def inside(self, trace_id: int) -> bool:
        """Decide for a call inside a recorded trace."""
        return trace_id % _BITS < self._bound


class Shares:
    """The share of calls that get a span, by policy.

    Arguments:
        sample: Share of the calls of every policy that is not named; 0 to 1.
        policies: Shares by name of the policy.

    Raises:
        ConfigError: with every violation.
    """

    def __init__(self, sample: float, policies: Mapping[str, float] | None = None) -> None:
        named = dict(policies or {})
        given: dict[str, object] = {"sample": sample, **{f"policies[{name!r}]": share for name, share in named.items()}}
        wrong = [Violation(name, share, "a share, 0 to 1") for name, share in given.items() if not _is_share(share)]
        if wrong:
            raise ConfigError("instrument", wrong)
        for name in named:
            check_name(name, "policies")
        self._sample = float(sample)
        self._named = {name: float(share) for name, share in named.items()}

    def of(self, policy: str) -> float:
        """Return the share of the calls of a policy."""
        return self._named.get(policy, self._sample)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0
