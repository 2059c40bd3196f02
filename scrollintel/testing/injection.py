"""Faults at work: in every attempt of protected operations, by rate or by script."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

from ..core.clock import SYSTEM_CLOCK, Clock
from ..core.errors import ConfigError, Violation
from ..core.interventions import INTERVENTIONS, Injector
from ..core.wrapping import is_coroutine_function
from .faults import Fault, Step
from .switches import around

F = TypeVar("F", bound=Callable[..., Any])
_ORDER = {"error": 0, "latency": 1, "result": 2}


class Injection(AbstractContextManager["Injection"]):
    """Faults at work in the protected operations of this process, and the count of them; made by `inject`.

    Attributes:
        attempts: Attempts that were looked at, hit or not.
        errors, latencies, results: Faults that happened, by kind.
    """

    def __init__(
        self,
        policy: str | None,
        faults: tuple[Fault, ...],
        script: tuple[tuple[Fault, ...], ...] | None,
        *,
        repeat: bool,
        seed: int,
        clock: Clock,
    ) -> None:
        self._arguments = (policy, faults, script)
        self._repeat = repeat
        self._seed = seed
        self._clock = clock
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._entered = 0
        # Kept, because a bound method is another object at each access, and removal goes by identity.
        self._hook: Injector = self._replace
        self.attempts = self.errors = self.latencies = self.results = 0

    @property
    def injected(self) -> int:
        """Faults that happened, of all kinds."""
        return self.errors + self.latencies + self.results

    def __enter__(self) -> Self:
        with self._lock:
            self._entered += 1
            if self._entered == 1:
                INTERVENTIONS.change(add=self._hook)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered == 0:
                INTERVENTIONS.change(remove=self._hook)

    def __call__(self, fn: F, /) -> F:
        """Decorate a plain or coroutine function; each call of it starts draws, script and counts anew.

        Raises:
            TypeError: for generator functions and classes.
        """
        policy, faults, script = self._arguments

        def fresh() -> Injection:
            return Injection(policy, faults, script, repeat=self._repeat, seed=self._seed, clock=self._clock)

        return around(fresh, fn)

    # ------------------------------------------------------------------ inside

    def _replace(self, policy: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Return `operation` with the faults in front of it, in the same colour."""
        if self._arguments[0] is not None and self._arguments[0] != policy:
            return operation
        if is_coroutine_function(operation):

            async def injected(*args: Any, **kwargs: Any) -> Any:
                for fault in self._plan():
                    self._count(fault)
                    if fault.kind != "latency":
                        return _end(fault)
                    await self._clock.asleep(fault.payload)
                return await operation(*args, **kwargs)

            return injected

        def injected_plain(*args: Any, **kwargs: Any) -> Any:
            delay = 0.0
            for fault in self._plan():
                self._count(fault)
                if fault.kind != "latency":
                    self._sleep(delay)
                    return _end(fault)
                delay += fault.payload
            if not delay or not _in_event_loop():
                self._sleep(delay)
                return operation(*args, **kwargs)
            # Only its result tells whether a plain callable stands for a coroutine, and a loop must not be blocked.
            value = operation(*args, **kwargs)
            if hasattr(value, "__await__"):
                return self._late(delay, value)
            self._sleep(delay)
            return value

        return injected_plain

    def _sleep(self, seconds: float) -> None:
        if seconds:
            self._clock.sleep(seconds)

    async def _late(self, delay: float, value: Any) -> Any:
        try:
            await self._clock.asleep(delay)
        except BaseException:
            close = getattr(value, "close", None)
            if close is not None:
                close()  # a coroutine that was never started would warn
            raise
        return await value

    def _plan(self) -> tuple[Fault, ...]:
        """Return what happens to the next attempt, and count it."""
        _, faults, script = self._arguments
        with self._lock:
            number = self.attempts
            self.attempts += 1
            if script is not None:
                index = number % len(script) if self._repeat else number
                plan = script[index] if index < len(script) else ()
            else:
                # Every fault draws for every attempt, so that one fault's hits do not shift the draws of another.
                plan = tuple(fault for fault in faults if self._random.random() < fault.rate)
        return plan

    def _count(self, fault: Fault) -> None:
        with self._lock:
            if fault.kind == "error":
                self.errors += 1
            elif fault.kind == "latency":
                self.latencies += 1
            else:
                self.results += 1


def inject(
    policy: str | None,
    /,
    *faults: Fault,
    script: Iterable[Step] | None = None,
    repeat: bool = False,
    seed: int = 0,
    clock: Clock = SYSTEM_CLOCK,
) -> Injection:
    """Return an injection: a context manager, for coroutines too, and a decorator, under which attempts go wrong.

    Each attempt of an operation is hit on its own, retries and hedges included, inside its time limit and inside all
    layers of its policy: to the policy a fault is the operation's doing.

    Arguments:
        policy: Name of the policy or circuit that is hit; None for all of this process. Calls of
            `execute_with_fault_tolerance` carry the name of their circuit.
        faults: What happens by rate. One attempt meets them in the order error, latency, result, operation, which is
            that of Polly's chaos strategies; the first error or result ends it.
        script: Instead of `faults`: what happens to the first attempt, the second and so on. A step is "ok", a fault,
            or several faults in the order in which they happen. After its end all is well.
        repeat: Start the script anew after its end; False by default.
        seed: For the draws; 0 by default, so that runs repeat. Draws belong to attempts in the order of their
            starts, which concurrent calls may change.
        clock: On which latency passes; the system's by default. Give it the clock of the policy.

    Coroutine functions are delayed by `asleep`, other operations by `sleep`, in their own thread. A plain callable that
    is called in an event loop is delayed after it has returned, because only then it is known whether it returns an
    awaitable, which is delayed before it starts.

    Blocks (`guard`, `attempts`, `with breaker:`) contain no operation that could be replaced and are not hit.
    It holds for the whole process; `protection_disabled` leaves injected faults out as well. Of several injections
    the one entered last comes first.

    Raises:
        ConfigError: when there are both faults and a script, or none, or a step of the script is unusable.
    """
    wrong: list[Violation] = []
    given: tuple[object, ...] = faults
    for fault in given:
        if not isinstance(fault, Fault):
            wrong.append(Violation("faults", fault, "made by Fault.error, Fault.latency or Fault.result"))
    steps: tuple[tuple[Fault, ...], ...] | None = None
    if script is not None:
        steps = tuple(_step(step, wrong) for step in script)
    if (steps is None) == (not faults):
        wrong.append(Violation("script", script, "given instead of faults, or faults without it"))
    elif steps == ():
        wrong.append(Violation("script", script, "at least one step"))
    if wrong:
        raise ConfigError("inject", wrong)
    ordered = tuple(sorted(faults, key=lambda fault: _ORDER[fault.kind]))
    return Injection(policy, ordered, steps, repeat=repeat, seed=seed, clock=clock)


def _step(step: Any, wrong: list[Violation]) -> tuple[Fault, ...]:
    """Return one step of a script as faults, and note what is wrong with it."""
    if isinstance(step, str) and step == "ok":
        return ()
    plan = (step,) if isinstance(step, Fault) else tuple(step) if isinstance(step, list | tuple) else (None,)
    if not all(isinstance(fault, Fault) and fault.rate == 1.0 for fault in plan):
        wrong.append(Violation("script", step, '"ok", a fault without a rate, or several such faults'))
        return ()
    return plan


def _end(fault: Fault) -> Any:
    if fault.kind == "error":
        raise fault.raised()
    return fault.payload


def _in_event_loop() -> bool:
    """Tell whether an event loop runs in this thread, without importing asyncio for it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
