"""Everything in one call: the keyword form over a registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .circuit_breaker import CircuitBreaker
from .clock import SYSTEM_CLOCK, Clock
from .config.breaker import CircuitBreakerConfig
from .config.policy import Policy
from .config.retry import RetryConfig
from .config.timeout import TimeoutConfig
from .drivers.direct import asynchronous_invoke, invoke
from .errors import ConfigError, Violation
from .hub import DEFAULT_HUB, EventHub
from .locks import CONFIGURING
from .pipeline import Pipeline, PolicyFigures
from .registry import DEFAULT_REGISTRY, MAX_CIRCUITS, Registry

if TYPE_CHECKING:
    from .snapshot import PolicySnapshot
    from .strategies.admission import AdmissionFigures
    from .strategies.degradation import GracefulDegradation
    from .strategies.outliers import PoolSnapshot

T = TypeVar("T")
Fallbacks = Callable[..., Any] | Sequence[Callable[..., Any]]
UNNAMED = "(unnamed)"
_MAX_VARIANTS = 32


_NEW: tuple[Any, ...] = (object(), None, None, False, None)  # no configuration is that object


class _Name:
    """What is known of one circuit name: the latest combination, in one piece, and others by configuration."""

    __slots__ = ("latest", "variants")

    def __init__(self) -> None:
        self.latest = _NEW
        self.variants: list[tuple[tuple[Any, ...], Pipeline]] = []

    def find(self, variant: tuple[Any, ...]) -> Pipeline | None:
        """Return the pipeline of a combination; compared one by one, because hooks need not be hashable."""
        return next((pipeline for known, pipeline in self.variants if known == variant), None)

    def remember(self, variant: tuple[Any, ...], pipeline: Pipeline) -> None:
        """Make a combination the latest one."""
        if not any(known is pipeline for _, known in self.variants):
            self.variants.append((variant, pipeline))
            del self.variants[:-_MAX_VARIANTS]
        self.latest = (*variant, pipeline)


class FaultToleranceManager:
    """Policies by name, degradation of services, and calls that bring their configuration along.

    Arguments:
        registry: Policies and circuits; a new registry by default.
        clock, hub: For a new registry; the system's clock and the shared hub by default.
    """

    def __init__(
        self, *, registry: Registry | None = None, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB
    ) -> None:
        self.registry = Registry(clock=clock, hub=hub) if registry is None else registry
        self.events = self.registry.hub
        self._degradation: GracefulDegradation | None = None
        self._names: dict[str, _Name] = {}
        self.registry.on_removed.append(self._forget)
        self.registry.others.append(self._combinations)

    @overload
    async def execute_with_fault_tolerance(
        self,
        operation: Callable[[], Awaitable[T]],
        *,
        circuit_breaker_config: CircuitBreakerConfig | None = None,
        retry_config: RetryConfig | None = None,
        fallback: Fallbacks | None = None,
        timeout: float | TimeoutConfig | None = None,
        in_thread: bool = False,
    ) -> T: ...
    @overload
    async def execute_with_fault_tolerance(
        self,
        operation: Callable[[], T],
        *,
        circuit_breaker_config: CircuitBreakerConfig | None = None,
        retry_config: RetryConfig | None = None,
        fallback: Fallbacks | None = None,
        timeout: float | TimeoutConfig | None = None,
        in_thread: bool = False,
    ) -> T: ...
    async def execute_with_fault_tolerance(
        self,
        operation: Callable[[], Any],
        *,
        circuit_breaker_config: CircuitBreakerConfig | None = None,
        retry_config: RetryConfig | None = None,
        fallback: Fallbacks | None = None,
        timeout: float | TimeoutConfig | None = None,
        in_thread: bool = False,
    ) -> Any:
        """Run an operation under a circuit breaker, retries, a time limit and a fallback.

        Arguments:
            operation: Plain or coroutine function without arguments. A plain one runs inline: it blocks the
                event loop, and a time limit is noticed only after it has returned. With `in_thread` it runs in a
                worker thread and is abandoned, though not stopped, when it is late.
            circuit_breaker_config: Circuits are shared by its `name`; its `timeout` limits each attempt. A
                changed configuration under a known name reconfigures that circuit.
            retry_config: Belongs to this call alone.
            fallback: Plain or coroutine function, or several in order; takes nothing or one `Outcome`. Belongs
                to this call alone.
            timeout: Seconds for each attempt, or a `TimeoutConfig`, instead of the breaker's.

        Returns:
            What the operation or a fallback returned.

        Raises:
            RejectedError: when the operation was not started and there is no fallback.
            CallTimeoutError: when it was late and there is no fallback.
            Exception: what the operation raised last, unwrapped, when there is no fallback.
        """
        if fallback is not None and not callable(fallback):
            check_fallbacks(fallback)
        name = UNNAMED if circuit_breaker_config is None else getattr(circuit_breaker_config, "name", UNNAMED)
        known = self._names.get(name)
        latest = _NEW if known is None else known.latest
        if (
            latest[0] is circuit_breaker_config
            and latest[1] is retry_config
            and latest[2] is timeout
            and latest[3] is in_thread
        ):
            pipeline = latest[4]
        else:
            pipeline = self._combination(circuit_breaker_config, retry_config, timeout, in_thread)
        return await asynchronous_invoke()(pipeline, operation, (), {}, fallback)

    def execute_blocking(
        self,
        operation: Callable[[], T],
        *,
        circuit_breaker_config: CircuitBreakerConfig | None = None,
        retry_config: RetryConfig | None = None,
        fallback: Fallbacks | None = None,
        timeout: float | TimeoutConfig | None = None,
        in_thread: bool = False,
    ) -> T:
        """Do the same from blocking code, with a plain operation and plain fallbacks.

        Arguments, results and errors are those of `execute_with_fault_tolerance`.
        """
        if fallback is not None and not callable(fallback):
            check_fallbacks(fallback)
        pipeline = self._combination(circuit_breaker_config, retry_config, timeout, in_thread)
        result: T = invoke(pipeline, operation, (), {}, fallback)
        return result

    @property
    def degradation(self) -> GracefulDegradation:
        """Degradation levels of services, with the manager's clock and events."""
        if self._degradation is None:
            from .strategies.degradation import GracefulDegradation

            with CONFIGURING:
                if self._degradation is None:
                    self._degradation = GracefulDegradation(clock=self.registry.clock, hub=self.registry.hub)
        return self._degradation

    def circuit_breaker(self, name: str) -> CircuitBreaker:
        """Return the circuit breaker of that name, to look at it or to isolate, close or reset it.

        Raises:
            NotFoundError: when no circuit has that name.
        """
        return CircuitBreaker.of(self.registry.find_circuit(name))

    def circuit_breakers(self) -> dict[str, CircuitBreaker]:
        """Return all circuit breakers by name."""
        return {circuit.name: CircuitBreaker.of(circuit) for circuit in self.registry.circuits()}

    def policy(self, name: str) -> Pipeline:
        """Return the registered pipeline of that name.

        Raises:
            NotFoundError: when no policy has that name.
        """
        return self.registry.get(name)

    def replace_policy(self, policy: Policy) -> tuple[str, ...]:
        """Put `policy` in force under its name and return the parts that changed.

        Raises:
            NotFoundError: when no policy has that name.
        """
        return self.registry.replace(policy)

    def snapshot(self) -> dict[str, PolicySnapshot]:
        """Return how every policy stands, by name, those of `execute_with_fault_tolerance` included."""
        result = self.registry.snapshot()
        for name, known in list(self._names.items()):
            if name not in result and known.variants:
                result[name] = _together(known)
        return result

    def figures(self) -> list[PolicyFigures]:
        """Return the figures of every policy beside those of its circuits, `execute_with_fault_tolerance` included."""
        found = {pipeline.name: pipeline.figures() for pipeline in self.registry.pipelines()}
        for name, known in list(self._names.items()):
            if name not in found and known.variants:
                found[name] = _summed(known)
        return list(found.values())

    def pools(self) -> list[PoolSnapshot]:
        """Return how every pool of hosts stands whose events go to this manager's hub, by name."""
        return [pool.snapshot() for pool in self.registry.pools()]

    def servers(self) -> list[AdmissionFigures]:
        """Return what every server has let in and refused whose events go to this manager's hub, by name."""
        return [server.figures() for server in self.registry.servers()]

    @property
    def levels_in_use(self) -> GracefulDegradation | None:
        """What `degradation` gives, or None while nobody has asked for it."""
        return self._degradation

    def clear(self) -> None:
        """Forget all policies and circuits, for instance between tests."""
        self._names.clear()
        self.registry.clear()

    def _combinations(self) -> list[Pipeline]:
        """Return the pipelines of `execute_with_fault_tolerance`, the latest of each name last."""
        found: list[Pipeline] = []
        for known in list(self._names.values()):
            found.extend(pipeline for _, pipeline in list(known.variants) if pipeline is not known.latest[4])
            if known.latest[4] is not None:
                found.append(known.latest[4])
        return found

    def _forget(self, name: str) -> None:
        self._names.pop(name, None)

    def _combination(
        self,
        config: CircuitBreakerConfig | None,
        retry: RetryConfig | None,
        timeout: float | TimeoutConfig | None,
        in_thread: bool,
    ) -> Pipeline:
        """Return the pipeline for a combination, which is then the latest one under its name."""
        _check_config(config)
        name = UNNAMED if config is None else config.name
        variant = (config, retry, timeout, in_thread)
        known = self._names.get(name)
        if known is not None and all(old is new for old, new in zip(known.latest, variant, strict=False)):
            latest: Pipeline = known.latest[4]
            return latest
        with CONFIGURING:
            known = self._names.get(name)
            pipeline = None if known is None else known.find(variant)
            if pipeline is None:
                pipeline = self.registry.detached(_policy(name, config, retry, timeout, in_thread))
            elif pipeline.policy.breaker is not None:
                # One circuit for all combinations; it follows the latest one.
                self.registry.circuit(pipeline.policy.breaker)
            if known is None:
                if len(self._names) >= MAX_CIRCUITS:
                    self._names.pop(next(iter(self._names)), None)
                known = self._names.setdefault(name, _Name())
            known.remember(variant, pipeline)
        return pipeline


def _check_config(config: object) -> None:
    if config is not None and not isinstance(config, CircuitBreakerConfig):
        raise ConfigError("execute", [Violation("circuit_breaker_config", config, "a CircuitBreakerConfig or None")])


def check_fallbacks(fallbacks: object) -> None:
    """Raise ConfigError unless these are several callables: found out now, not in the outage."""
    if not isinstance(fallbacks, list | tuple) or not all(callable(item) for item in fallbacks):
        allowed = "a callable that takes nothing or one Outcome, or a list of such"
        raise ConfigError("execute", [Violation("fallback", fallbacks, allowed)])


def _policy(
    name: str,
    config: CircuitBreakerConfig | None,
    retry: RetryConfig | None,
    timeout: float | TimeoutConfig | None,
    in_thread: bool,
) -> Policy:
    policy = Policy(name, breaker=config, retry=retry, timeout=timeout)
    if in_thread:
        return replace(policy, timeout=replace(policy.limits, in_thread=True))
    return policy


def _summed(known: _Name) -> PolicyFigures:
    """Return the figures of the latest combination with what all of them did."""
    figures = [pipeline.figures() for _, pipeline in list(known.variants)]
    latest: PolicyFigures = known.latest[4].figures()
    return latest._replace(
        retries=sum(one.retries for one in figures),
        fallbacks=sum(one.fallbacks for one in figures),
        abandoned_threads=sum(one.abandoned_threads for one in figures),
        given_up=sum(one.given_up for one in figures),
    )


def _together(known: _Name) -> PolicySnapshot:
    """Return the snapshot of the latest combination with what all of them did."""
    latest: PolicySnapshot = known.latest[4].snapshot()
    tallies = [pipeline.snapshot().tally for _, pipeline in list(known.variants)]
    uses: Counter[str] = Counter()
    for tally in tallies:
        uses.update(tally.fallback_uses)
    tally = replace(
        latest.tally,
        retries=sum(tally.retries for tally in tallies),
        fallbacks=uses.total(),
        fallback_uses=dict(uses),
    )
    return replace(latest, tally=tally)


ft_manager = FaultToleranceManager(registry=DEFAULT_REGISTRY)
"""The manager of this process."""
