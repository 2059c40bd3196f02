"""A pool of hosts of which calls go to one that is well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar, cast
from weakref import WeakSet

from ..chance import chance
from ..clock import SYSTEM_CLOCK, Clock
from ..config.base import check_name
from ..config.outliers import OutlierConfig
from ..errors import ConfigError, Violation
from ..hub import DEFAULT_HUB, EventHub
from ..locks import CONFIGURING, new_lock, renew_after_fork
from ..machines.outliers import Host, OutlierMachine
from ..outcome import Verdict
from .classify import classifier

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """How one host of a pool stands.

    Attributes:
        host: Its name.
        ejected: Whether it is taken out.
        returns_in: Seconds until it comes back, or None while it is admitted.
        reason: Why it was taken out, or None while it is admitted.
        ejections: Ejections that have not been forgiven.
        in_flight: Calls that it is running.
        consecutive_failures: Failures in a row.
        calls, failures: Calls that ended and failures among them, since it is known.
        weight: Share of its calls that it gets, below 1 during its slow start.
    """

    host: str
    ejected: bool
    returns_in: float | None
    ejections: int
    in_flight: int
    consecutive_failures: int
    calls: int
    failures: int
    weight: float
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """How a pool stands.

    Attributes:
        name: Its name.
        panics: Whether so few hosts are admitted that all are used.
        hosts: Each host.
        ejections: Ejections so far.
    """

    name: str
    panics: bool
    hosts: tuple[HostSnapshot, ...]
    ejections: int = 0

    @property
    def share(self) -> float:
        """Share of the hosts that are admitted."""
        return sum(not host.ejected for host in self.hosts) / len(self.hosts)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the snapshot as JSON values."""
        return asdict(self)


class PoolFigures(NamedTuple):
    """What exporters read of a pool: hosts that are admitted and ejected, ejections so far, and whether it panics."""

    admitted: int
    ejected: int
    ejections: int
    panics: bool


class HostBlock:
    """`with pool.host() as host:` runs a block against one host; also `async with`. One object serves one block."""

    __slots__ = ("_host", "_pool")

    def __init__(self, pool: HostPool) -> None:
        self._pool = pool
        self._host: Host | None = None

    def __enter__(self) -> str:
        if self._host is not None:
            raise RuntimeError("this block has not ended yet; ask the pool for a host for each block")
        self._host = host = self._pool._pick()
        return host.name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        host, self._host = self._host, None
        if host is not None:
            self._pool._settle(host, error)

    async def __aenter__(self) -> str:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class HostPool:
    """Hosts that do the same work; those that fail more than the others are taken out for a while.

    Arguments:
        name: Name of the pool, for events; 1 to 200 characters without control characters.
        hosts: Names or addresses of the hosts; at least one, each once.
        config: When a host is taken out: an `OutlierConfig` or a dict of its fields. The defaults are those of Envoy.
        clock: Where time comes from; the system's by default.
        hub: Where events go; the shared one by default.

    Raises:
        ConfigError: when the name or the configuration is not usable, or there is no host, or one stands there twice.
    """

    __slots__ = ("__weakref__", "_classify", "_lock", "_machine", "clock", "hub", "name")

    def __init__(
        self,
        name: str,
        hosts: Iterable[str],
        *,
        config: OutlierConfig | Mapping[str, Any] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        hub: EventHub = DEFAULT_HUB,
    ) -> None:
        self.name = check_name(name, "HostPool")
        self.clock = clock
        self.hub = hub
        used = _configured(config)
        self._lock = new_lock()
        self._classify = classifier(used)
        self._machine = OutlierMachine(used, _checked(hosts), clock.monotonic())
        with CONFIGURING:
            POOLS.add(self)
        renew_after_fork(self)

    def __repr__(self) -> str:
        return f"HostPool({self.name!r}, hosts={len(self._machine.hosts)})"

    @property
    def config(self) -> OutlierConfig:
        """The configuration in force."""
        return self._machine.config

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the pool, ejected ones included."""
        return tuple(self._machine.hosts)

    def host(self) -> HostBlock:
        """Return a `with` or `async with` block whose value is the host to use."""
        return HostBlock(self)

    def call(self, fn: Callable[Concatenate[str, P], R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `fn(host, *args, **kwargs)` with the host to use, and return its result or raise its error."""
        with HostBlock(self) as host:
            return fn(host, *args, **kwargs)

    async def acall(self, fn: Callable[Concatenate[str, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Await `fn(host, *args, **kwargs)` with the host to use, and return its result or raise its error."""
        with HostBlock(self) as host:
            return await fn(host, *args, **kwargs)

    def update(self, hosts: Iterable[str]) -> None:
        """Go on with other hosts, such as those that a name resolves to now; those that stay keep their record.

        Raises:
            ConfigError: when there is no host, or one stands there twice.
        """
        names = _checked(hosts)
        with self._lock:
            self._machine.update(names)

    def reconfigure(self, config: OutlierConfig) -> None:
        """Go on under `config`; ejections that run keep their ends."""
        rule = classifier(config)
        with self._lock:
            self._classify = rule
            self._machine.reconfigure(config, self.clock.monotonic())

    def snapshot(self) -> PoolSnapshot:
        """Return how the pool stands now."""
        with self._lock:
            now = self.clock.monotonic()
            machine = self._machine
            machine.advance(now)
            self._publish(now)
            views = tuple(
                HostSnapshot(
                    host=host.name,
                    ejected=host.ejected_until is not None,
                    returns_in=None if host.ejected_until is None else host.ejected_until - now,
                    ejections=host.ejections,
                    in_flight=host.in_flight,
                    consecutive_failures=host.failures,
                    calls=host.served,
                    failures=host.failed,
                    weight=machine.weight(host, now),
                    reason=host.reason,
                )
                for host in machine.hosts.values()
            )
            return PoolSnapshot(name=self.name, panics=machine.panics, hosts=views, ejections=machine.ejections)

    def figures(self) -> PoolFigures:
        """Return the figures of the pool."""
        with self._lock:
            now = self.clock.monotonic()
            machine = self._machine
            machine.advance(now)
            self._publish(now)
            ejected = sum(host.ejected_until is not None for host in machine.hosts.values())
            return PoolFigures(len(machine.hosts) - ejected, ejected, machine.ejections, machine.panics)

    def after_fork_in_child(self) -> None:
        """Forget the calls of the parent, which do not end here."""
        self._machine.forget_running()

    # ------------------------------------------------------------------ inside

    def _pick(self) -> Host:
        u, v, w = chance(), chance(), chance()
        with self._lock:
            now = self.clock.monotonic()
            host = self._machine.pick(now, u, v, w)
            self._publish(now)
            return host

    def _settle(self, host: Host, error: BaseException | None) -> None:
        verdict = Verdict.SUCCESS if error is None else self._classify(error)
        with self._lock:
            now = self.clock.monotonic()
            self._machine.settle(host, verdict, now)
            self._publish(now)

    def _publish(self, now: float) -> None:
        """Tell what has changed; the hub only queues, so the lock may be held and order is kept."""
        changes = self._machine.changes
        if not changes:
            return
        self._machine.changes = []
        if not self.hub.watched:
            return
        from ..events import HostEjected, HostReturned

        for change in changes:
            at, host = self.clock.time() - (now - change.at), change.host
            self.hub.emit(
                HostReturned(policy=self.name, at=at, host=host.name)
                if change.seconds is None
                else HostEjected(
                    policy=self.name,
                    at=at,
                    host=host.name,
                    reason=change.reason,
                    seconds=change.seconds,
                    ejections=host.ejections,
                )
            )


def _configured(config: OutlierConfig | Mapping[str, Any] | None) -> OutlierConfig:
    if config is None:
        return OutlierConfig()
    if isinstance(config, Mapping):
        return OutlierConfig.from_dict(config)
    if not isinstance(config, OutlierConfig):
        raise ConfigError("HostPool", [Violation("config", config, "an OutlierConfig, a dict of its fields or None")])
    return config


def _checked(hosts: Iterable[str]) -> list[str]:
    if isinstance(hosts, str):
        raise ConfigError("HostPool", [Violation("hosts", hosts, "a list of names, not one name")])
    names = [check_name(host, "HostPool") for host in cast("Iterable[object]", hosts)]
    if not names or len(set(names)) < len(names):
        raise ConfigError("HostPool", [Violation("hosts", names, "at least one host, each of them once")])
    return names


POOLS: WeakSet[HostPool] = WeakSet()
"""Those of this process; `pools` lists them."""


def pools(hub: EventHub | None = None) -> list[HostPool]:
    """Return the pools of this process by name, or only those whose events go to `hub`."""
    with CONFIGURING:  # another thread may be making one
        found = list(POOLS)
    return sorted((pool for pool in found if hub is None or pool.hub is hub), key=lambda pool: pool.name)
