"""The rules of a pool of hosts: which host a call goes to, which host is taken out, and when it comes back."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, sqrt

from ..config.outliers import OutlierConfig
from ..outcome import Verdict

LEAST_SHARE = 0.1
"""Share of its calls that a host gets at the begin of its slow start."""


class Host:
    """What a pool knows of one host.

    Attributes:
        in_flight: Calls that it is running.
        failures: Failures in a row.
        ejections: Ejections that have not been forgiven; one is with every interval of good conduct.
        ejected_until: End of its ejection, or None while it is admitted.
        reason: Why it was taken out, or None while it is admitted.
        returned_at: When its slow start began, or None.
        admitted_since: When it came back last.
        calls, successes: Of the present interval.
        served, failed: Since it is known.
    """

    __slots__ = (
        "admitted_since", "calls", "ejected_until", "ejections", "failed", "failures", "in_flight", "name",
        "reason", "returned_at", "served", "successes",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_flight = self.failures = self.ejections = self.calls = self.successes = self.served = self.failed = 0
        self.ejected_until: float | None = None
        self.reason: str | None = None
        self.returned_at: float | None = None
        self.admitted_since = -inf


class Ejection:
    """One host that was taken out (`seconds` for how long) or that came back (`seconds` is None)."""

    __slots__ = ("at", "host", "reason", "seconds")

    def __init__(self, host: Host, at: float, reason: str, seconds: float | None) -> None:
        self.host = host
        self.at = at
        self.reason = reason
        self.seconds = seconds


class OutlierMachine:
    """Rules of one pool, as Envoy has them. Pure and not thread-safe; the pool locks around each call.

    Times are seconds on any monotonic scale. What changed waits in `changes` until the pool takes it; `admitted` holds
    the hosts that are not ejected, and `ejections` counts all there ever were.
    """

    __slots__ = ("_due", "_next_sweep", "admitted", "changes", "config", "ejections", "hosts")

    def __init__(self, config: OutlierConfig, names: Iterable[str], now: float) -> None:
        self.config = config
        self.hosts: dict[str, Host] = {name: Host(name) for name in names}
        self.changes: list[Ejection] = []
        self.ejections = 0
        self._next_sweep = now + config.interval
        self._sort()

    @property
    def panics(self) -> bool:
        """True while so few hosts are admitted that ejections are disregarded."""
        return len(self.admitted) < self.config.panic_threshold * len(self.hosts) or not self.admitted

    def advance(self, now: float) -> None:
        """Apply what time alone changes: ejections that are over, and the comparison of success rates."""
        if now < self._due:
            return
        for host in self.hosts.values():
            if host.ejected_until is not None and host.ejected_until <= now:
                self.changes.append(Ejection(host, host.ejected_until, "its time is over", None))
                host.returned_at = host.admitted_since = host.ejected_until
                host.ejected_until = host.reason = None
                host.failures = host.calls = host.successes = 0
        self._sort()
        if now >= self._next_sweep:
            self._sweep(now)
            self._next_sweep = now + self.config.interval
            self._sort()

    def pick(self, now: float, u: float, v: float, w: float) -> Host:
        """Return the host for a call that starts now: of two drawn at random the one that runs fewer.

        `u` and `v` in [0, 1) draw the two, `w` decides whether a host in its slow start takes its share.
        """
        self.advance(now)
        candidates = list(self.hosts.values()) if self.panics else self.admitted
        number = int(u * len(candidates))
        first = candidates[number]
        if len(candidates) > 1:
            further = int(v * (len(candidates) - 1))
            second = candidates[further + (further >= number)]
            best, other = (second, first) if second.in_flight < first.in_flight else (first, second)
            if w >= self.weight(best, now):
                best = other
        else:
            best = first
        best.in_flight += 1
        return best

    def weight(self, host: Host, now: float) -> float:
        """Return the share of its calls that a host gets: 1, or less during its slow start.

        The rule is Envoy's: `max(0.1, (t / slow_start) ** (1 / aggression))`.
        """
        config = self.config
        if host.returned_at is None or config.slow_start is None:
            return 1.0
        passed = (now - host.returned_at) / config.slow_start
        if passed >= 1.0:
            host.returned_at = None
            return 1.0
        return float(max(LEAST_SHARE, max(0.0, passed) ** (1.0 / config.slow_start_aggression)))

    def settle(self, host: Host, verdict: Verdict, now: float) -> None:
        """Take the end of a call to a host."""
        host.in_flight = max(0, host.in_flight - 1)
        self.advance(now)
        if verdict is Verdict.SUCCESS:
            host.failures = 0
            host.successes += 1
        elif verdict is Verdict.FAILURE:
            host.failures += 1
            host.failed += 1
        else:
            return
        host.calls += 1
        host.served += 1
        if host.failures >= self.config.consecutive_failures and self.hosts.get(host.name) is host:
            self._eject(host, now, f"{host.failures} failures in a row")

    def forget_running(self) -> None:
        """Take no call for running, as a forked child must."""
        for host in self.hosts.values():
            host.in_flight = 0

    def update(self, names: Iterable[str]) -> None:
        """Go on with other hosts; those that stay keep what is known of them."""
        self.hosts = {name: self.hosts.get(name) or Host(name) for name in names}
        self._sort()

    def reconfigure(self, config: OutlierConfig, now: float) -> None:
        """Go on under another configuration; ejections that run keep their ends."""
        self.config = config
        self._next_sweep = min(self._next_sweep, now + config.interval)
        self._sort()

    def _sort(self) -> None:
        """Note who is admitted, and when time alone changes something next."""
        self.admitted = [host for host in self.hosts.values() if host.ejected_until is None]
        ends = [host.ejected_until for host in self.hosts.values() if host.ejected_until is not None]
        self._due = min(self._next_sweep, *ends) if ends else self._next_sweep

    def _sweep(self, now: float) -> None:
        """Compare success rates, eject outliers, forgive one ejection to each host that was well, and begin anew."""
        config = self.config
        seen = [host for host in self.admitted if host.calls >= config.minimum_calls]
        rates = {host.name: host.successes / host.calls for host in seen}
        forgiven = [host for host in self.admitted if host.ejections and _was_well(host, now - config.interval)]
        if len(seen) >= config.minimum_hosts:
            mean = sum(rates.values()) / len(rates)
            deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
            threshold = mean - config.success_rate_factor * deviation
            for host in seen:
                if rates[host.name] < threshold:
                    percent = f"{rates[host.name]:.1%} of its calls succeeded, {mean:.1%} in the pool"
                    self._eject(host, now, percent)
        for host in forgiven:
            if host.ejected_until is None:
                host.ejections -= 1
        for host in self.hosts.values():
            host.calls = host.successes = 0

    def _eject(self, host: Host, now: float, reason: str) -> None:
        config = self.config
        out = sum(other.ejected_until is not None for other in self.hosts.values())
        if host.ejected_until is not None or out >= max(1, int(config.max_ejection_share * len(self.hosts))):
            return
        self.ejections += 1
        host.ejections += 1
        seconds = min(config.max_ejection_time, config.ejection_time * host.ejections)
        host.ejected_until = now + seconds
        host.reason = reason
        host.returned_at = None
        host.failures = 0
        self.changes.append(Ejection(host, now, reason, seconds))
        self._sort()


def _was_well(host: Host, since: float) -> bool:
    """Tell whether a host has been admitted since a time."""
    return host.admitted_since <= since
