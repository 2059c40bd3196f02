"""Feature switches and executions that follow the level of a service."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from scrollintel.core.config.degradation import DegradationConfig, DegradationLevel
from scrollintel.core.config.fallback import Value
from scrollintel.core.errors import CircuitOpenError, ConfigError, NotFoundError, UnprotectedError
from scrollintel.core.events import Event, FallbackFailed, FallbackUsed
from scrollintel.core.hub import EventHub
from scrollintel.core.outcome import Outcome
from scrollintel.core.strategies.degradation import GracefulDegradation

NONE, MINIMAL, MODERATE, SEVERE, CRITICAL = DegradationLevel


class Log(EventHub):
    """A hub that keeps what is emitted, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        super().emit(event)
        self.events.append(event)


@pytest.fixture
def log() -> Log:
    """Return an empty log."""
    return Log()


@pytest.fixture
def degradation(log: Log) -> GracefulDegradation:
    """Return an object with the service "shop", which operators lead."""
    subject = GracefulDegradation(hub=log)
    subject.register_service("shop", config=DegradationConfig(automatic=False))
    return subject


def at(degradation: GracefulDegradation, level: DegradationLevel) -> None:
    """Set the level of the shop."""
    degradation.set_level("shop", level, "exercise")


# ---------------------------------------------------------------------- features


def test_feature_stays_on_up_to_its_level(degradation: GracefulDegradation) -> None:
    """The declared level is the last one at which the feature is on."""
    degradation.feature("recommendations", service="shop", up_to=MINIMAL)
    shown = []
    for level in DegradationLevel:
        at(degradation, level)
        shown.append(degradation.is_enabled("recommendations"))
    assert shown == [True, True, False, False, False]
    assert degradation.snapshot("shop").features == {"recommendations": False} == degradation.features()


def test_feature_declared_again_is_replaced(degradation: GracefulDegradation) -> None:
    """The last declaration counts."""
    degradation.feature("checkout", service="shop", up_to=NONE)
    degradation.feature("checkout", service="shop", up_to=CRITICAL)
    at(degradation, CRITICAL)
    assert degradation.is_enabled("checkout")


def test_feature_outlives_its_service(degradation: GracefulDegradation) -> None:
    """Code that asks does not break when a service is unregistered; the feature is on."""
    degradation.feature("recommendations", service="shop", up_to=MINIMAL)
    at(degradation, CRITICAL)
    degradation.unregister_service("shop")
    assert degradation.is_enabled("recommendations")


def test_feature_unknown_name_is_not_found(degradation: GracefulDegradation) -> None:
    """A name that was never declared is a mistake, not a feature that is off."""
    with pytest.raises(NotFoundError, match="no feature is registered as 'recommendation'"):
        degradation.is_enabled("recommendation")


def test_feature_name_of_a_service_is_on_below_critical(degradation: GracefulDegradation) -> None:
    """Asking for a service itself needs no declaration."""
    at(degradation, SEVERE)
    assert degradation.is_enabled("shop")
    at(degradation, CRITICAL)
    assert not degradation.is_enabled("shop")


@pytest.mark.parametrize("arguments", [{"name": ""}, {"up_to": 5}, {"up_to": "MINIMAL"}])
def test_feature_bad_declaration_is_refused(degradation: GracefulDegradation, arguments: dict[str, Any]) -> None:
    """Nothing half-declared is left behind."""
    with pytest.raises(ConfigError):
        degradation.feature(**{"name": "recommendations", "service": "shop", "up_to": MINIMAL, **arguments})
    assert degradation.features() == {}


def test_when_enabled_plain_function_gives_otherwise_while_off(degradation: GracefulDegradation) -> None:
    """The switch is asked at each call, and a callable gets the same arguments."""
    degradation.feature("recommendations", service="shop", up_to=NONE)

    @degradation.when_enabled("recommendations", otherwise=lambda user, limit: [f"popular for {user}"] * limit)
    def recommend(user: str, limit: int) -> list[str]:
        """Recommend."""
        return [f"chosen for {user}"] * limit

    assert recommend("ann", limit=1) == ["chosen for ann"]
    at(degradation, MINIMAL)
    assert recommend("ann", limit=2) == ["popular for ann"] * 2
    assert (recommend.__name__, recommend.__doc__) == ("recommend", "Recommend.")


@pytest.mark.parametrize(("otherwise", "given"), [(None, None), ([], []), (Value("kept"), "kept"), (dict, {})])
def test_when_enabled_otherwise_may_be_a_value(
    degradation: GracefulDegradation, otherwise: object, given: object
) -> None:
    """What is not callable is given as it is, and `Value` gives anything as it is."""
    degradation.feature("recommendations", service="shop", up_to=NONE)
    at(degradation, MINIMAL)
    assert degradation.when_enabled("recommendations", otherwise=otherwise)(lambda: 1)() == given


@pytest.mark.parametrize("kind", ["plain", "coroutine", "value"])
def test_when_enabled_coroutine_function_awaits_otherwise(degradation: GracefulDegradation, kind: str) -> None:
    """A coroutine function stays one, whatever stands in for it."""

    async def popular() -> str:
        return "popular"

    choices: dict[str, object] = {"plain": lambda: "popular", "coroutine": popular, "value": "popular"}

    @degradation.when_enabled("recommendations", otherwise=choices[kind])
    async def recommend() -> str:
        return "chosen"

    degradation.feature("recommendations", service="shop", up_to=NONE)
    assert asyncio.run(recommend()) == "chosen"
    at(degradation, MINIMAL)
    assert asyncio.run(recommend()) == "popular"


def test_when_enabled_protects_methods_partials_and_callables(degradation: GracefulDegradation) -> None:
    """Each kind of callable keeps its colour behind the switch."""
    degradation.feature("recommendations", service="shop", up_to=NONE)
    switch = degradation.when_enabled("recommendations", otherwise="off")

    class Shop:
        @switch
        def method(self) -> str:
            return "on"

        @classmethod
        @switch
        def of_class(cls) -> str:
            return "on"

        async def __call__(self) -> str:
            return "on"

    async def later(text: str) -> str:
        return text

    plain: list[Callable[[], str]] = [Shop().method, Shop.of_class, switch(functools.partial(str, "on"))]
    waiting: list[Callable[[], Coroutine[Any, Any, str]]] = [switch(Shop()), switch(functools.partial(later, "on"))]
    for expected, level in (("on", NONE), ("off", MINIMAL)):
        at(degradation, level)
        assert [call() for call in plain] == [expected] * 3
        assert [asyncio.run(call()) for call in waiting] == [expected] * 2


def test_when_enabled_refuses_what_it_cannot_switch(degradation: GracefulDegradation) -> None:
    """A clear error at decoration, never a function that is silently not switched."""

    async def popular() -> str:
        return "popular"

    def plain() -> None:
        return None

    switch = degradation.when_enabled("shop", otherwise=popular)
    bound: Any = classmethod  # Any: the decorators in the wrong order are what a checker refuses as well
    wrong: list[Any] = [bound(plain), staticmethod(plain), int, 3, plain]
    for refused in wrong:
        with pytest.raises(UnprotectedError):
            switch(refused)


def test_when_enabled_block_yields_whether_the_feature_is_on(degradation: GracefulDegradation) -> None:
    """`with` and `async with` give the switch to code that has no function of its own."""
    degradation.feature("recommendations", service="shop", up_to=NONE)

    async def ask() -> bool:
        async with degradation.when_enabled("recommendations") as enabled:
            return enabled

    with degradation.when_enabled("recommendations") as enabled:
        assert enabled
    at(degradation, MINIMAL)
    with degradation.when_enabled("recommendations") as enabled:
        assert not enabled
    assert asyncio.run(ask()) is False


# ---------------------------------------------------------------------- executions

Runner = Callable[..., Any]


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, degradation: GracefulDegradation) -> Runner:
    """Return both twins of `execute` in turn, called in the same way."""
    if request.param == "blocking":
        return degradation.execute_blocking

    def runner(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(degradation.execute(*args, **kwargs))

    return runner


def fail() -> str:
    """Fail like an operation whose dependency is gone."""
    raise ConnectionError("gone")


def with_fallbacks(degradation: GracefulDegradation, **fallbacks: Callable[..., object]) -> None:
    """Register the shop's fallbacks by names of levels."""
    degradation.register_service(
        "shop",
        fallbacks={DegradationLevel[name]: fallback for name, fallback in fallbacks.items()},
        config=DegradationConfig(automatic=False),
    )


def test_execute_runs_what_the_level_asks_for(degradation: GracefulDegradation, run: Runner) -> None:
    """The fallback of the level runs, or that of the nearest lower level that has one."""
    with_fallbacks(degradation, MINIMAL=lambda: "cached", SEVERE=lambda: "static")
    given = []
    for level in DegradationLevel:
        at(degradation, level)
        given.append(run("shop", lambda: "full"))
    assert given == ["full", "cached", "cached", "static", "static"]
    snapshot = degradation.snapshot("shop")
    assert snapshot.fallback_uses == {MINIMAL: 2, SEVERE: 2}
    assert (snapshot.operations, snapshot.operation_failures) == (1, 0)


def test_execute_without_a_fallback_runs_the_operation_at_each_level(
    degradation: GracefulDegradation, run: Runner
) -> None:
    """A level alone takes nothing away: only a fallback or a feature does."""
    at(degradation, CRITICAL)
    assert run("shop", lambda left, right: left + right, 1, right=2) == 3


def test_execute_failed_operation_is_answered_by_the_lightest_fallback(
    degradation: GracefulDegradation, run: Runner, log: Log
) -> None:
    """A failing operation gets an answer before any level has risen, and the fact is told."""
    with_fallbacks(degradation, MINIMAL=lambda: "cached", SEVERE=lambda: "static")
    assert run("shop", fail) == "cached"
    (event,) = log.events
    assert isinstance(event, FallbackUsed)
    assert (event.policy, event.index, event.error) == ("shop", 0, "ConnectionError")


def test_execute_failed_fallback_is_followed_by_the_next_heavier_one(
    degradation: GracefulDegradation, run: Runner, log: Log
) -> None:
    """The way goes from light to heavy, starting at the present level."""
    with_fallbacks(degradation, MINIMAL=lambda: "light", MODERATE=fail, CRITICAL=lambda: "static")
    at(degradation, MODERATE)
    log.events.clear()
    assert run("shop", lambda: "full") == "static"
    assert [type(event) for event in log.events] == [FallbackFailed, FallbackUsed]
    assert degradation.snapshot("shop").fallback_failures == 1


def test_execute_first_error_surfaces_with_a_note_when_nothing_answers(
    degradation: GracefulDegradation, run: Runner
) -> None:
    """The first error is never masked by those of the fallbacks."""

    def broken() -> None:
        raise ValueError("no cache")

    with_fallbacks(degradation, MINIMAL=broken, SEVERE=broken)
    with pytest.raises(ConnectionError, match="gone") as caught:
        run("shop", fail)
    assert caught.value.__notes__ == ["'shop' has no fallback left: ValueError, ValueError raised by 2 of them"]


def test_execute_error_without_fallbacks_surfaces_as_it_is(degradation: GracefulDegradation, run: Runner) -> None:
    """Without fallbacks an execution changes nothing about an error."""
    with pytest.raises(ConnectionError) as caught:
        run("shop", fail)
    assert not hasattr(caught.value, "__notes__")


def test_execute_fallback_may_take_the_outcome(degradation: GracefulDegradation, run: Runner) -> None:
    """A fallback sees the arguments, and the error if there was one."""
    seen: list[Outcome] = []

    def remember(outcome: Outcome) -> str:
        seen.append(outcome)
        return "cached"

    def sell(item: str, *, amount: int) -> str:
        raise ConnectionError("gone")

    with_fallbacks(degradation, MINIMAL=remember)
    run("shop", sell, "tea", amount=2)
    at(degradation, MINIMAL)
    run("shop", sell, "tea", amount=2)
    failed, spared = seen
    assert (type(failed.error), failed.attempts, failed.args, failed.kwargs) == (
        ConnectionError, 1, ("tea",), {"amount": 2},
    )  # fmt: skip
    assert (spared.policy, spared.error, spared.attempts, spared.args) == ("shop", None, 0, ("tea",))


def test_execute_own_failures_lift_the_level(degradation: GracefulDegradation, run: Runner) -> None:
    """Executions are evidence of their own: no circuit is needed to follow health."""
    degradation.register_service("shop", fallbacks={SEVERE: lambda: "static"})
    for _ in range(10):
        assert run("shop", fail) == "static"
    degradation.evaluate()
    snapshot = degradation.snapshot("shop")
    assert (snapshot.level, snapshot.operation_failures) == (CRITICAL, 10)
    assert run("shop", lambda: "full") == "static"


def test_execute_refusals_of_this_library_are_no_evidence(degradation: GracefulDegradation, run: Runner) -> None:
    """An open circuit has been judged already; its refusals say nothing new."""

    def refused() -> str:
        raise CircuitOpenError("database")

    degradation.register_service("shop", fallbacks={SEVERE: lambda: "static"})
    for _ in range(20):
        assert run("shop", refused) == "static"
    degradation.evaluate()
    assert degradation.snapshot("shop").operations == 0
    assert degradation.level("shop") is NONE


def test_execute_generator_function_is_refused(degradation: GracefulDegradation, run: Runner) -> None:
    """What would run after the execution is refused before it starts."""

    def items() -> Iterator[int]:
        yield 1

    for operation in (items, "text"):
        with pytest.raises(UnprotectedError):
            run("shop", operation)


def test_execute_operation_may_use_the_object_that_runs_it(degradation: GracefulDegradation, run: Runner) -> None:
    """No lock is held while operations and fallbacks run."""

    def reentrant() -> str:
        degradation.register_service("other")
        return str(degradation.level("shop").name)

    with_fallbacks(degradation, MINIMAL=reentrant)
    assert run("shop", reentrant) == "NONE"
    at(degradation, MINIMAL)
    assert run("shop", reentrant) == "MINIMAL"


def test_execute_awaits_coroutine_operations_and_fallbacks(degradation: GracefulDegradation) -> None:
    """Both may be coroutine functions, or plain functions that return an awaitable."""

    async def full() -> str:
        raise ConnectionError

    async def cached() -> str:
        return "cached"

    def prepared() -> Awaitable[str]:
        return cached()

    with_fallbacks(degradation, MINIMAL=cached)
    assert asyncio.run(degradation.execute("shop", full)) == "cached"
    with_fallbacks(degradation)
    assert asyncio.run(degradation.execute("shop", prepared)) == "cached"


def test_execute_cancellation_passes_through_uncounted(degradation: GracefulDegradation) -> None:
    """A caller who leaves gets no fallback and is no failure."""
    with_fallbacks(degradation, MINIMAL=lambda: "cached")

    async def cancelled() -> None:
        async def hang() -> None:
            await asyncio.Event().wait()

        task = asyncio.ensure_future(degradation.execute("shop", hang))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    snapshot = degradation.snapshot("shop")
    assert (snapshot.operations, snapshot.fallback_uses) == (0, {})


def test_execute_blocking_refuses_what_it_cannot_await(degradation: GracefulDegradation) -> None:
    """A coroutine in blocking code is an error that says what to do, and no warning about a lost coroutine."""

    async def full() -> str:
        return "full"

    class Later:
        def __await__(self) -> Iterator[str]:
            yield "later"

    def prepared() -> object:
        return full()

    def later() -> object:
        return Later()

    with pytest.raises(UnprotectedError, match="coroutine function"):
        degradation.execute_blocking("shop", full).close()
    with pytest.raises(UnprotectedError, match="awaitable"):
        degradation.execute_blocking("shop", prepared)
    with pytest.raises(UnprotectedError, match="awaitable"):
        degradation.execute_blocking("shop", later)
    with_fallbacks(degradation, MINIMAL=full, SEVERE=lambda: "static")
    assert degradation.execute_blocking("shop", fail) == "static"
    assert degradation.snapshot("shop").fallback_failures == 1


def test_degradation_module_does_not_import_asyncio() -> None:
    """Blocking users do not pay for the event loop."""
    code = "import sys, scrollintel.core.strategies.degradation; sys.exit('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
