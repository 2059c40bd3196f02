"""Graceful degradation: services with levels, switches that follow them, and fallbacks for each level."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar, overload

from ..clock import Clock
from ..config.base import check_name
from ..config.degradation import DegradationLevel
from ..errors import NotFoundError
from ..events import FallbackFailed, FallbackUsed
from ..hub import EventHub
from .degraded_execution import Execution, LevelFallback, refuse_awaitable, refuse_operation
from .degraded_service import DegradedService, require_level
from .fallback import describe
from .features import Feature, WhenEnabled
from .service_levels import ServiceLevels

P = ParamSpec("P")
R = TypeVar("R")


class GracefulDegradation(ServiceLevels):
    """Give up parts of services to keep the rest, by hand or by health, and take them back step by step.

    A service rises to a worse level at once and falls by one level for each quiet period. Safe for threads; no
    lock is held while operations, fallbacks, health callables or listeners run. What time brings (expiry, quiet
    periods) is applied when something is read, changed or evaluated, and dated to when it was due.

    Arguments:
        clock: Where time comes from; this machine's clock by default.
        hub: Where each change goes as a `LevelChanged` event; the hub of `ft_manager` by default.
        history_size: Changes kept for each service; at least 1, default 100.

    Raises:
        ConfigError: when `history_size` is out of range.
    """

    # ------------------------------------------------------------------ features

    def feature(self, name: str, *, service: str, up_to: DegradationLevel) -> None:
        """Declare a feature that stays on while `service` is at `up_to` or better; declaring again replaces it.

        It outlives the service: while no such service is registered, it is on.

        Arguments:
            name: 1 to 200 characters without control characters. A feature hides a service of the same name
                from `is_enabled`.
            service: Name of a registered service.
            up_to: The worst level at which the feature is on; `CRITICAL` never switches it off.

        Raises:
            ConfigError: when the name or the level is none.
            NotFoundError: when the service is not registered.
        """
        check_name(name, "feature")
        level = require_level("feature", "up_to", up_to)
        with self._lock:
            self._get(service)
            self._features[name] = Feature(name, service, level)

    def features(self) -> dict[str, bool]:
        """Return all declared features and whether they are on."""
        self._catch_up()
        with self._lock:
            return {name: self._allows(feature) for name, feature in self._features.items()}

    def is_enabled(self, name: str) -> bool:
        """Tell whether a feature is on; takes no lock while nothing is due.

        The name of a service stands for a feature that is on below `CRITICAL`.

        Raises:
            NotFoundError: when `name` is neither a declared feature nor a registered service.
        """
        self._catch_up()
        feature = self._features.get(name)
        if feature is not None:
            return self._allows(feature)
        level = self._levels.get(name)
        if level is None:
            raise NotFoundError("feature", name)
        return level < DegradationLevel.CRITICAL

    def when_enabled(self, name: str, *, otherwise: object = None) -> WhenEnabled:
        """Return a switch: a decorator for plain and coroutine functions, or a block that yields a bool.

        Arguments:
            name: As for `is_enabled`, which is asked at each call; the feature may be declared later.
            otherwise: What a decorated function gives while the feature is off: a callable is called with the
                same arguments (and awaited for a coroutine function), `Value(x)` gives `x`, anything else is
                given as it is. Default None.
        """
        return WhenEnabled(self.is_enabled, name, otherwise)

    def _allows(self, feature: Feature) -> bool:
        return self._levels.get(feature.service, DegradationLevel.NONE) <= feature.up_to

    # ------------------------------------------------------------------ execution

    @overload
    async def execute(
        self, service: str, operation: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R: ...

    @overload
    async def execute(self, service: str, operation: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    async def execute(self, service: str, operation: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `operation(*args, **kwargs)`, or the fallback that the present level of the service asks for.

        At a level with a fallback, or else with one for a lower level, that fallback runs and the operation does
        not; otherwise the operation runs. What raises an `Exception` is followed by the next heavier fallback.
        Operations and fallbacks may be plain or coroutine functions; plain ones run inline. Ends of operations
        count for the automatic level (see `evaluate`); refusals by this library and cancellation do not.

        Raises:
            NotFoundError: when the service is not registered.
            UnprotectedError: when `operation` is a generator function, which would run unprotected.
            Exception: the first error, with a note about the others, when no fallback gave an answer.
        """
        execution = self._execution(service, operation, args, kwargs, blocking=False)
        for step in execution:
            try:
                value = step()
                if inspect.isawaitable(value):
                    value = await value
            except Exception as error:  # any error is answered by the next fallback; the first one surfaces
                execution.failed(error)
            else:
                execution.succeeded()
                return value
        raise execution.surfacing()

    def execute_blocking(self, service: str, operation: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the same as `execute` in blocking code.

        A fallback that is a coroutine function counts as failed here, because nothing can await it.

        Raises:
            NotFoundError, UnprotectedError, Exception: as `execute`; UnprotectedError also when `operation` is a
                coroutine function.
        """
        execution = self._execution(service, operation, args, kwargs, blocking=True)
        for step in execution:
            try:
                value = step()
                refuse_awaitable(value)
            except Exception as error:  # any error is answered by the next fallback; the first one surfaces
                execution.failed(error)
            else:
                execution.succeeded()
                return value  # type: ignore[no-any-return]  # a fallback's type is its author's business
        raise execution.surfacing()

    def _execution(
        self,
        service: str,
        operation: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        blocking: bool,
    ) -> Execution:
        refuse_operation(operation, blocking=blocking)
        level = self.level(service)
        with self._lock:
            found = self._get(service)
            fallbacks = found.fallbacks
        ledger = _Ledger(found, self._lock, self._clock, self._hub)
        return Execution(service, level, fallbacks, ledger, self._clock, (operation, args, kwargs))


class _Ledger:
    """Where an execution tells how it went: counts in the service, events in the hub."""

    __slots__ = ("_clock", "_hub", "_lock", "_service")

    def __init__(self, service: DegradedService, lock: threading.RLock, clock: Clock, hub: EventHub) -> None:
        self._service = service
        self._lock = lock
        self._clock = clock
        self._hub = hub

    def operation_ended(self, error: Exception | None) -> None:
        """Count the end of an operation."""
        with self._lock:
            self._service.record_operation(error)

    def fallback_ended(
        self, index: int, fallback: LevelFallback, *, first: Exception | None, error: Exception | None
    ) -> None:
        """Count the end of a fallback; it is a fact to tell when it failed, or answered instead of an error."""
        with self._lock:
            self._service.record_fallback(fallback.level, error)
        kind, name, at = describe(fallback.answer), self._service.name, self._clock.time()
        if error is not None:
            failed = FallbackFailed(policy=name, at=at, index=index, kind=kind, error=type(error).__name__)
            self._hub.emit(failed)
        elif first is not None:
            self._hub.emit(FallbackUsed(policy=name, at=at, index=index, kind=kind, error=type(first).__name__))
