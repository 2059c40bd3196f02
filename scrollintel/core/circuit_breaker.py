"""A circuit breaker on its own, for those who want nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar, overload

from .clock import SYSTEM_CLOCK, Clock
from .config.breaker import CircuitBreakerConfig
from .config.policy import Policy
from .errors import ConfigError, Violation
from .guard import Guard, pop, push
from .hub import DEFAULT_HUB, EventHub
from .pipeline import Pipeline
from .states import CircuitState
from .strategies.breaker import Circuit

if TYPE_CHECKING:
    from .snapshot import CircuitSnapshot

P = ParamSpec("P")
R = TypeVar("R")


class CircuitBreaker:
    """One circuit with its attempt timeout: a decorator, a `with` or `async with` block, or single calls.

    Arguments:
        config: When it opens and closes.
        clock: Where time comes from; the system's by default.
        hub: Where events go; the shared one by default.

    Two breakers made this way are independent even under one name; `ft_manager` and `protect` share by name.
    """

    __slots__ = ("_blocks", "_circuit", "_pipeline")

    def __init__(
        self, config: CircuitBreakerConfig, *, clock: Clock = SYSTEM_CLOCK, hub: EventHub = DEFAULT_HUB
    ) -> None:
        if not isinstance(config, CircuitBreakerConfig):
            raise ConfigError("CircuitBreaker", [Violation("config", config, "a CircuitBreakerConfig")])
        self._circuit = Circuit(config, clock, hub)
        self._pipeline: Pipeline | None = None
        self._blocks: dict[Guard, None] = {}

    @classmethod
    def of(cls, circuit: Circuit) -> Self:
        """Return a breaker over a circuit that exists already."""
        breaker = cls.__new__(cls)
        breaker._circuit = circuit
        breaker._pipeline = None
        breaker._blocks = {}
        return breaker

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that runs calls through this circuit."""
        if self._pipeline is None:
            circuit = self._circuit
            policy = Policy(circuit.name, breaker=circuit.config)
            self._pipeline = Pipeline(policy, clock=circuit.clock, hub=circuit.hub, circuits=lambda _: circuit)
        elif self._pipeline.policy.breaker is not self._circuit.config:
            # A circuit that is shared by name may have got another configuration, whose time limit counts here too.
            self._pipeline.replace(replace(self._pipeline.policy, breaker=self._circuit.config))
        return self._pipeline

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """Decorate a plain function, coroutine function, method or callable object."""
        return self.pipeline(fn)

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a plain function through the circuit; see `Pipeline.call`."""
        return self.pipeline.call(fn, *args, **kwargs)

    @overload
    async def acall(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def acall(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def acall(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Await a coroutine function, or run a plain one, through the circuit; see `Pipeline.acall`."""
        return await self.pipeline.acall(fn, *args, **kwargs)

    def __enter__(self) -> Self:
        guard = self.pipeline.guard()
        guard.__enter__()
        self._blocks[guard] = None
        push(self, guard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left().__exit__(kind, error, traceback)

    async def __aenter__(self) -> Self:
        guard = self.pipeline.guard()
        await guard.__aenter__()
        self._blocks[guard] = None
        push(self, guard)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._left().__aexit__(kind, error, traceback)

    def _left(self) -> Guard:
        """Return the guard of the block that ends now.

        A generator may be closed in another context than it was entered in; its block then takes the latest one.
        """
        guard = pop(self)
        if guard is None or guard not in self._blocks:
            if not self._blocks:
                raise RuntimeError("a block was left that was not entered")
            guard = next(reversed(self._blocks))
        del self._blocks[guard]
        return guard

    @property
    def name(self) -> str:
        """Name of the circuit."""
        return self._circuit.name

    @property
    def config(self) -> CircuitBreakerConfig:
        """The configuration in force."""
        return self._circuit.config

    @property
    def state(self) -> CircuitState:
        """Present state."""
        return self._circuit.state

    def snapshot(self) -> CircuitSnapshot:
        """Return state, counts, response times and history."""
        return self._circuit.snapshot()

    def isolate(self, reason: str = "isolated by an operator") -> None:
        """Hold the circuit open until `close` or `reset`."""
        self._circuit.isolate(reason)

    def close(self, reason: str = "closed by an operator") -> None:
        """Admit calls again at once; counts are kept."""
        self._circuit.close(reason)

    def reset(self, reason: str = "reset by an operator") -> None:
        """Close and forget counts, response times and history."""
        self._circuit.reset(reason)

    def __repr__(self) -> str:
        return f"CircuitBreaker({self.name!r}, state={self._circuit.state.value})"
