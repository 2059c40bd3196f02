"""What a simulation is told: requests, clients, the service with what befalls it, and the policies to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..core.config.base import Config, InvalidValue, Rule, boolean, choice, integer, name, number
from ..core.config.known_names import one_of
from ..core.config.lists import line, required, rows
from ..core.errors import ConfigError, Violation
from .contender import Contender, contenders
from .expectation import Expectation, expectations

MAX_CHANGES = 1000
MAX_BUCKETS = 100_000
_SECONDS = number()["rule"]


class ArrivalKind(StrEnum):
    """How requests come: at random times that know nothing of each other, or evenly."""

    POISSON = "poisson"
    CONSTANT = "constant"


class Distribution(StrEnum):
    """How service times vary: not at all, exponentially, or lognormally with a `spread`."""

    CONSTANT = "constant"
    EXPONENTIAL = "exponential"
    LOGNORMAL = "lognormal"


class Route(StrEnum):
    """Which host an attempt goes to: any, the next in turn, or that of the request's key, also when it is repeated."""

    RANDOM = "random"
    ROUND_ROBIN = "round_robin"
    KEY = "key"


def _span() -> dict[str, Rule]:
    def convert(value: object) -> tuple[float, float]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise InvalidValue
        start, end = (_SECONDS.convert(item) for item in value)
        if not start < end:
            raise InvalidValue
        return start, end

    return {"rule": Rule(convert, "[start, end] in seconds, with 0 <= start < end", optional=True, dump=list)}


def _hosts() -> dict[str, Rule]:
    def convert(value: object) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise InvalidValue
        if any(isinstance(item, bool) or not isinstance(item, int) or item < 0 for item in value):
            raise InvalidValue
        return tuple(value)

    return {"rule": Rule(convert, "a list of numbers of hosts, from 0", optional=True, dump=list)}


def _policies() -> dict[str, Rule]:
    def dump(found: Mapping[str, Contender]) -> dict[str, Any]:  # Any: JSON values
        return {name: contender.to_dict() for name, contender in found.items()}

    return {"rule": Rule(contenders, "one table [policies.NAME] or more", dump=dump)}


class _Change:
    """What several kinds of changes have in common: a time at which they begin, and one at which they are over."""

    __slots__ = ()
    at: float
    until: float | None

    def _order(self, broken: set[str]) -> Iterator[Violation]:
        if not broken & {"at", "until"} and self.until is not None and self.until <= self.at:
            yield Violation("until", self.until, f"later than at ({self.at:g} seconds)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalChange(_Change, Config):
    """Another rate of requests.

    Arguments:
        at: When it begins, from the start of the simulation.
        rate: How many from then on, from all clients together.
        over: How long the rate takes to move there, evenly. 0 (default) is a step.
        until: When the first rate is back, at once. None (default) is the end of the simulation.
    """

    at: float = field(metadata=number(unit="seconds"))
    rate: float = field(metadata=number(maximum=1e6, unit="requests per second"))
    over: float = field(default=0.0, metadata=number(unit="seconds"))
    until: float | None = field(default=None, metadata=number(unit="seconds", optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        return self._order(broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChange(_Change, Config):
    """What befalls the service, or some of its hosts, for a while; what is None stays as it is.

    Arguments:
        at: When it begins, from the start of the simulation.
        until: When it is over. None (default) is the end of the simulation.
        hosts: Numbers of the hosts that it befalls, from 0. None (default) is all.
        capacity: Speed as a share of the full one: 0.3 makes each piece of work take 1 / 0.3 times as long, 0 stops it.
        failures: Share of the requests that end in a ConnectionError, after their service time; 0 to 1.
        hangs: Share of the requests that get no answer at all; 0 to 1.
        latency: Time on the way, in which no worker is held.
    """

    at: float = field(metadata=number(unit="seconds"))
    until: float | None = field(default=None, metadata=number(unit="seconds", optional=True))
    hosts: tuple[int, ...] | None = field(default=None, metadata=_hosts())
    capacity: float | None = field(default=None, metadata=number(maximum=100.0, optional=True))
    failures: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    hangs: float | None = field(default=None, metadata=number(maximum=1.0, optional=True))
    latency: float | None = field(default=None, metadata=number(unit="seconds", optional=True))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        return self._order(broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalsConfig(Config):
    """The requests of all clients together; they come whether or not earlier ones were answered.

    Arguments:
        rate: How many.
        kind: Whether they come at random times, independent of each other, or evenly; default `poisson`.
        changes: Other rates for a while, or from a time on.
    """

    rate: float = field(metadata=number(above=True, maximum=1e6, unit="requests per second"))
    kind: ArrivalKind = field(default=ArrivalKind.POISSON, metadata=choice(ArrivalKind))
    changes: tuple[ArrivalChange, ...] = field(default=(), metadata=rows(ArrivalChange, maximum=MAX_CHANGES))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsConfig(Config):
    """Who sends the requests.

    Arguments:
        count: How many; each is a process with a pipeline of its own; default 20.
        shared: Whether one pipeline serves them all, as in one process; default False.
        timeout: How long a client waits for the answer to one attempt, whatever the policy says; default 1. It then
            raises TimeoutError, and the service goes on with the work all the same. With 0 it waits for ever.
        route: Which host of several an attempt goes to: any, the next in turn, or that of the request's key; default
            `random`.
    """

    count: int = field(default=20, metadata=integer(minimum=1, maximum=10_000, unit="clients"))
    shared: bool = field(default=False, metadata=boolean())
    timeout: float = field(default=1.0, metadata=number(unit="seconds"))
    route: Route = field(default=Route.RANDOM, metadata=choice(Route))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig(Config):
    """The service: hosts with workers behind one first-in-first-out line each, which does not notice abandoned work.

    Arguments:
        service_time: Work for one request, on average; default 0.001. One worker then does 1,000 requests a second.
        distribution: How the work varies from request to request; default `constant`.
        spread: Standard deviation of the logarithm of a lognormal service time; default 1.
        workers: Requests that one host works on at once; default 1.
        hosts: How many, each with its own line and workers; default 1.
        queue: Requests that may wait at one host; default 2000. One more is refused with ConnectionRefusedError.
        refusal_time: How long it takes until a client knows that it was refused; default 0.001.
        latency: Time on the way, in which no worker is held; default 0.
        failures: Share of the requests that end in a ConnectionError, after their service time; default 0.
        hangs: Share of the requests that get no answer at all; default 0.
        cold_start: Timely answers of a host after which its speed is back once its capacity has been lower. Until then
            it grows in proportion, from 1 % at least. 0 (default) is at once.
        changes: What befalls it. Of changes that overlap the one that began last holds.
    """

    service_time: float = field(default=0.001, metadata=number(above=True, unit="seconds"))
    distribution: Distribution = field(default=Distribution.CONSTANT, metadata=choice(Distribution))
    spread: float = field(default=1.0, metadata=number(above=True, maximum=10.0))
    workers: int = field(default=1, metadata=integer(minimum=1, maximum=100_000, unit="requests"))
    hosts: int = field(default=1, metadata=integer(minimum=1, maximum=10_000, unit="hosts"))
    queue: int = field(default=2000, metadata=integer(maximum=10_000_000, unit="requests"))
    refusal_time: float = field(default=0.001, metadata=number(unit="seconds"))
    latency: float = field(default=0.0, metadata=number(unit="seconds"))
    failures: float = field(default=0.0, metadata=number(maximum=1.0))
    hangs: float = field(default=0.0, metadata=number(maximum=1.0))
    cold_start: int = field(default=0, metadata=integer(maximum=10**9, unit="answers"))
    changes: tuple[ServiceChange, ...] = field(default=(), metadata=rows(ServiceChange, maximum=MAX_CHANGES))

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check that changes befall hosts that there are."""
        if broken & {"hosts", "changes"}:
            return
        for index, change in enumerate(self.changes):
            if change.hosts is not None and max(change.hosts) >= self.hosts:
                allowed = f"numbers of hosts from 0 to {self.hosts - 1}"
                yield Violation(f"changes[{index}].hosts", list(change.hosts), allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Config):
    """A simulation: the same requests under each of several policies.

    Arguments:
        name: 1 to 200 characters.
        about: One line that says what it shows; left out by default.
        duration: Seconds of virtual time in which requests arrive; calls that still run then have a minute to end.
        bucket: Seconds for which goodput is told in one figure; default 5.
        trouble: [start, end] of the trouble, in seconds; by default from the first change to the last end of one.
        recovered: Share of answered requests from which a bucket counts as recovered; 0 to 1, default 0.95.
        clients, arrivals, service: See there.
        policies: The policies to compare by name, each with the fields of a policy.
        expect: What is expected of policies, by name; nothing by default.

    Raises:
        ConfigError: with every violation.
    """

    name: str = field(metadata=name())
    arrivals: ArrivalsConfig = field(metadata=required(ArrivalsConfig, "a table [arrivals] with its rate"))
    policies: Mapping[str, Contender] = field(metadata=_policies())
    duration: float = field(default=240.0, metadata=number(above=True, maximum=1e7, unit="seconds"))
    about: str | None = field(default=None, metadata=line(maximum=500, optional=True))
    bucket: float = field(default=5.0, metadata=number(above=True, unit="seconds"))
    trouble: tuple[float, float] | None = field(default=None, metadata=_span())
    recovered: float = field(default=0.95, metadata=number(above=True, maximum=1.0))
    clients: ClientsConfig = field(default_factory=ClientsConfig, metadata=required(ClientsConfig, "a table [clients]"))
    service: ServiceConfig = field(default_factory=ServiceConfig, metadata=required(ServiceConfig, "a table [service]"))
    expect: Mapping[str, Expectation] = field(default_factory=dict, metadata=expectations())

    def _conflicts(self, broken: set[str]) -> Iterator[Violation]:
        """Check times against the duration, and keyed policies against the route."""
        if not broken & {"duration", "bucket"}:
            if self.bucket > self.duration:
                yield Violation("bucket", self.bucket, f"at most duration ({self.duration:g} seconds)")
            elif self.duration / self.bucket > MAX_BUCKETS:
                yield Violation("bucket", self.bucket, f"at least duration / {MAX_BUCKETS}")
        if not broken & {"duration", "trouble"} and self.trouble is not None and self.trouble[1] > self.duration:
            allowed = f"[start, end] with an end of at most duration ({self.duration:g} seconds)"
            yield Violation("trouble", list(self.trouble), allowed)
        if broken & {"policies"}:
            return
        for named in () if "expect" in broken else self.expect:
            if named not in self.policies:
                yield Violation(f"expect.{named}", named, one_of(self.policies, named, "policies"))
        if "clients" in broken or self.clients.route is Route.KEY:
            return
        for named, contender in self.policies.items():
            if contender.keyed:
                yield Violation(f"policies.{named}.keyed", True, 'False unless clients.route is "key"')

    @property
    def troubled(self) -> tuple[float, float]:
        """Start and end of the trouble, in seconds; (duration, duration) when nothing changes."""
        if self.trouble is not None:
            return self.trouble
        changes: list[_Change] = [*self.service.changes, *self.arrivals.changes]
        changes = [change for change in changes if change.at < self.duration]
        if not changes:
            return self.duration, self.duration
        ends = [self.duration if change.until is None else min(change.until, self.duration) for change in changes]
        return min(change.at for change in changes), max(ends)


def scenario_of(data: Mapping[str, Any]) -> Scenario:  # Any: TOML values
    """Return the scenario that parsed TOML or JSON describes.

    Raises:
        ConfigError: with every violation, each with field, value and what is allowed.
    """
    try:
        return Scenario.from_dict(data)
    except ConfigError as error:
        raise ConfigError("scenario", error.violations) from None
