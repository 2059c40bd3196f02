"""Injected faults: what each does, how often, in which order, to whom, and in every form of a protected call."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.circuit_breaker import CircuitBreaker
from scrollintel.core.config import CircuitBreakerConfig, HedgeConfig, Policy, RetryConfig, TimeoutConfig
from scrollintel.core.errors import CallTimeoutError, CircuitOpenError, ConfigError
from scrollintel.core.interventions import INTERVENTIONS
from scrollintel.core.manager import FaultToleranceManager
from scrollintel.core.pipeline import Pipeline
from scrollintel.core.protect import protect
from scrollintel.core.registry import Registry
from scrollintel.core.states import CircuitState
from scrollintel.testing import Fault, Injection, ManualClock, inject

REFUSED = Fault.error(lambda: ConnectionError("refused"))


def answer() -> str:
    """Return what the operation itself returns."""
    return "answer"


async def aanswer() -> str:
    """Return the same, after a turn of the loop."""
    await asyncio.sleep(0)
    return "answer"


def deferred() -> Coroutine[Any, Any, str]:
    """Return a coroutine from a plain function."""
    return aanswer()


def shop(clock: ManualClock, **parts: Any) -> Pipeline:
    """Return a policy called shop."""
    return Pipeline(Policy("shop", **parts), clock=clock)


def breaker_for(registry: Registry) -> CircuitBreaker:
    """Return a circuit of its own."""
    return CircuitBreaker(CircuitBreakerConfig("shop"), clock=registry.clock, hub=registry.hub)


def run_manager(registry: Registry) -> Any:
    """Run the keyword form with a coroutine."""
    call = FaultToleranceManager(registry=registry).execute_with_fault_tolerance(
        aanswer, circuit_breaker_config=CircuitBreakerConfig("shop"), retry_config=RetryConfig(max_attempts=1)
    )
    return asyncio.run(call)


def run_blocking_manager(registry: Registry) -> Any:
    """Run the keyword form with a plain function."""
    config = CircuitBreakerConfig("shop")
    return FaultToleranceManager(registry=registry).execute_blocking(answer, circuit_breaker_config=config)


def run_hedged(registry: Registry) -> Any:
    """Run a coroutine with hedging."""
    policy = registry.pipeline(Policy("shop", hedge=HedgeConfig(delay=5.0)))
    return asyncio.run(policy.acall(aanswer))


def run_in_thread(registry: Registry) -> Any:
    """Run a plain function in a worker thread."""
    return registry.pipeline(Policy("shop", timeout=TimeoutConfig(5.0, in_thread=True))).call(answer)


def run_awaitable(registry: Registry) -> Any:
    """Await what a plain callable returns."""
    return asyncio.run(breaker_for(registry).acall(deferred))


FORMS: dict[str, Callable[[Registry], Any]] = {
    "pipeline": lambda registry: Pipeline(Policy("shop"), clock=registry.clock).call(answer),
    "pipeline, coroutine": lambda registry: asyncio.run(Pipeline(Policy("shop")).acall(aanswer)),
    "protect": lambda registry: protect("shop", registry=registry)(answer)(),
    "protect, coroutine": lambda registry: asyncio.run(_coroutine(protect("shop", registry=registry)(aanswer)())),
    "protect, partial": lambda registry: protect("shop", registry=registry)(functools.partial(answer))(),
    "breaker": lambda registry: breaker_for(registry).call(answer),
    "breaker, coroutine": lambda registry: asyncio.run(breaker_for(registry).acall(aanswer)),
    "breaker, decorator": lambda registry: breaker_for(registry)(answer)(),
    "manager": run_manager,
    "manager, blocking": run_blocking_manager,
    "hedged": run_hedged,
    "worker thread": run_in_thread,
    "plain callable that returns an awaitable": run_awaitable,
}


async def _coroutine(awaitable: Any) -> Any:
    return await awaitable


@pytest.mark.parametrize("form", FORMS)
def test_inject_error_hits_every_form_of_a_call(form: str, registry: Registry) -> None:
    """An error comes out of every form, and nothing of it is left after the block."""
    with inject("shop", REFUSED) as chaos, pytest.raises(ConnectionError, match="refused"):
        FORMS[form](registry)
    assert chaos.errors == chaos.injected >= 1
    assert FORMS[form](registry) == "answer"
    assert INTERVENTIONS.injectors == ()


@pytest.mark.parametrize("form", FORMS)
def test_inject_result_hits_every_form_of_a_call(form: str, registry: Registry) -> None:
    """A value comes out of every form instead of the operation's own."""
    with inject("shop", Fault.result("injected")) as chaos:
        assert FORMS[form](registry) == "injected"
    assert (chaos.attempts, chaos.results) == (1, 1)


@pytest.mark.parametrize("form", FORMS)
def test_inject_latency_delays_every_form_of_a_call(form: str, registry: Registry, clock: ManualClock) -> None:
    """The delay passes on the clock that was given, and the operation still answers."""
    with inject("shop", Fault.latency(2.0), clock=clock) as chaos:
        assert FORMS[form](registry) == "answer"
    assert chaos.latencies == 1
    assert [nap for nap in clock.sleeps if nap == 2.0] == [2.0]


# ---------------------------------------------------------------------- what a fault does to a policy


def test_inject_errors_open_a_circuit_and_are_retried(clock: ManualClock) -> None:
    """To the policy an injected error is the operation's own."""
    policy = shop(clock, breaker=CircuitBreakerConfig("shop", failure_threshold=3), retry=RetryConfig(jitter=False))
    with inject("shop", REFUSED) as chaos:
        with pytest.raises(ConnectionError):
            policy.call(answer)
        with pytest.raises(CircuitOpenError):
            policy.call(answer)
    assert chaos.attempts == 3
    assert policy.circuit().state is CircuitState.OPEN
    assert clock.sleeps == [1.0, 2.0]


def test_inject_latency_beyond_the_limit_times_the_attempt_out(clock: ManualClock) -> None:
    """Latency counts against the attempt's time limit and ends with it."""
    policy = shop(clock, timeout=30.0)
    with inject("shop", Fault.latency(60.0), clock=clock), pytest.raises(CallTimeoutError):
        asyncio.run(policy.acall(aanswer))
    assert clock.monotonic() == 1030.0
    with inject("shop", Fault.latency(60.0), clock=clock), pytest.raises(CallTimeoutError):
        asyncio.run(policy.acall(deferred))
    assert clock.monotonic() == 1060.0


def test_inject_latency_comes_before_the_operation(clock: ManualClock) -> None:
    """A plain function and a coroutine start late; a plain function in an event loop ends late."""
    policy = shop(clock)

    async def begun() -> float:
        return clock.monotonic()

    with inject("shop", Fault.latency(2.0), clock=clock):
        assert policy.call(clock.monotonic) == 1002.0
        assert asyncio.run(policy.acall(begun)) == 1004.0
        assert asyncio.run(policy.acall(lambda: begun())) == 1006.0  # noqa: PLW0108 - a plain callable is meant
        assert asyncio.run(policy.acall(clock.monotonic)) == 1006.0
    assert clock.monotonic() == 1008.0


def test_inject_latency_on_one_hedge_lets_the_other_win(clock: ManualClock) -> None:
    """Each attempt of a race is hit on its own."""
    policy = shop(clock, hedge=HedgeConfig(delay=0.1, budget=None))
    with inject("shop", script=[Fault.latency(60.0)], clock=clock) as chaos:
        assert asyncio.run(policy.acall(aanswer)) == "answer"
    assert chaos.attempts == 2
    assert clock.monotonic() == pytest.approx(1000.1)


def test_inject_result_is_judged_like_an_answer(clock: ManualClock) -> None:
    """A returned 503 is a failure for a policy that looks at results."""
    config = CircuitBreakerConfig("shop", failure_threshold=1, result_predicate=lambda status: status == 503)
    policy = shop(clock, breaker=config)
    with inject("shop", Fault.result(503)):
        assert policy.call(lambda: 200) == 503
    assert policy.circuit().state is CircuitState.OPEN


def test_inject_async_latency_leaves_the_loop_free(clock: ManualClock) -> None:
    """Other tasks run while an injected delay passes."""
    held = ManualClock(auto_advance=False)
    policy = shop(clock)

    async def main() -> None:
        for operation in (aanswer, deferred):
            with inject("shop", Fault.latency(2.0), clock=held):
                task = asyncio.ensure_future(policy.acall(operation))
                await held.aadvance(1.0)
                assert not task.done()
                await held.aadvance(1.0)
                assert await task == "answer"

    asyncio.run(main())


def test_inject_late_awaitable_that_is_cancelled_is_closed(clock: ManualClock) -> None:
    """A coroutine that an injected delay kept from starting leaves no warning behind."""
    policy = shop(clock)

    async def main() -> None:
        with inject("shop", Fault.latency(2.0), clock=ManualClock(auto_advance=False)):
            task = asyncio.ensure_future(policy.acall(deferred))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


# ---------------------------------------------------------------------- whom it hits


def test_inject_policy_named_leaves_others_alone(clock: ManualClock) -> None:
    """Only the named policy is hit; None means all of them."""
    other = Pipeline(Policy("other"), clock=clock)
    with inject("shop", REFUSED) as chaos:
        assert other.call(answer) == "answer"
    assert chaos.attempts == 0
    with inject(None, REFUSED), pytest.raises(ConnectionError):
        other.call(answer)


def test_inject_nested_injections_both_apply_the_inner_one_first(clock: ManualClock) -> None:
    """An injection inside another adds to it, comes first, and takes only itself away."""
    policy = shop(clock)
    with inject(None, Fault.result("outer")) as outer:
        with inject("shop", Fault.latency(1.0), clock=clock), pytest.raises(KeyError):
            assert policy.call(answer) == "outer"
            assert asyncio.run(policy.acall(aanswer)) == "outer"
            raise KeyError
        with inject("shop", Fault.result("inner")):
            assert policy.call(answer) == "inner"
        assert policy.call(answer) == "outer"
    assert (clock.sleeps, outer.results) == ([1.0, 1.0], 3)


def test_inject_same_injection_entered_twice_hits_once_and_ends_last(clock: ManualClock) -> None:
    """One injection is one set of faults, however often it is entered."""
    policy = shop(clock)
    chaos = inject("shop", Fault.latency(1.0), clock=clock)
    with chaos:
        with chaos:
            policy.call(answer)
        policy.call(answer)
    policy.call(answer)
    assert clock.sleeps == [1.0, 1.0]


@pytest.mark.parametrize("operation", [aanswer, functools.partial(aanswer), answer, deferred])
def test_inject_operation_keeps_its_colour(operation: Callable[[], Any]) -> None:
    """A coroutine function stays one, and what returns an awaitable still does."""
    chaos = inject("shop", Fault.latency(1.0), clock=ManualClock())
    replaced = chaos._replace("shop", operation)
    assert inspect.iscoroutinefunction(replaced) is (operation not in (answer, deferred))

    async def main() -> None:
        ours, own = replaced(), operation()
        assert inspect.isawaitable(ours) is inspect.isawaitable(own)
        for value in (ours, own):
            assert (await value if inspect.isawaitable(value) else value) == "answer"

    asyncio.run(main())


# ---------------------------------------------------------------------- by rate


def hits(chaos: Injection, number: int) -> list[bool]:
    """Return which of `number` attempts are hit."""
    clock = ManualClock()
    policy = shop(clock)
    found = []
    with chaos:
        for _ in range(number):
            found.append(policy.call(answer) != "answer")
    return found


def test_inject_rate_same_seed_repeats_and_another_differs() -> None:
    """Draws come from the seed alone."""
    fault = Fault.result("injected", rate=0.3)
    first = hits(inject("shop", fault, seed=7), 200)
    assert first == hits(inject("shop", fault, seed=7), 200)
    assert first != hits(inject("shop", fault, seed=8), 200)
    assert 30 <= sum(first) <= 90


@given(rate=st.sampled_from([0.0, 1.0]), seed=st.integers(0, 2**32))
def test_inject_rate_zero_never_hits_and_one_always_does(rate: float, seed: int) -> None:
    """The ends of the range are exact."""
    assert hits(inject("shop", Fault.result("injected", rate=rate), seed=seed), 20) == [rate == 1.0] * 20


def test_inject_rate_hits_of_one_fault_do_not_shift_another() -> None:
    """Taking a fault's rate to zero leaves the draws of the other where they were."""
    other = Fault.result("injected", rate=0.3)
    plain = hits(inject("shop", Fault.latency(0.0, rate=0.0), other, seed=3), 100)
    assert plain == hits(inject("shop", Fault.latency(0.0, rate=0.9), other, seed=3), 100)


def test_inject_rate_order_is_error_latency_result(clock: ManualClock) -> None:
    """An error leaves no time for latency; latency comes before a result; the operation comes last or not at all."""
    policy = shop(clock)
    began: list[str] = []
    every = (Fault.result("injected"), Fault.latency(1.0), REFUSED)
    with inject("shop", *every, clock=clock) as chaos, pytest.raises(ConnectionError):
        policy.call(began.append, "operation")
    assert (chaos.errors, chaos.latencies, chaos.results, chaos.injected) == (1, 0, 0, 1)
    with inject("shop", *every[:2], clock=clock) as chaos:
        assert policy.call(answer) == "injected"
    assert (chaos.errors, chaos.latencies, chaos.results, chaos.injected) == (0, 1, 1, 2)
    assert (began, clock.sleeps) == ([], [1.0])


# ---------------------------------------------------------------------- by script


def outcomes(policy: Pipeline, number: int) -> list[str]:
    """Return what `number` calls come to."""
    found = []
    for _ in range(number):
        try:
            found.append(str(policy.call(answer)))
        except ConnectionError as error:
            found.append(str(error))
    return found


def test_inject_script_is_followed_attempt_by_attempt(clock: ManualClock) -> None:
    """Each attempt takes one step, and after the end all is well."""
    with inject("shop", script=["ok", REFUSED, Fault.result("injected")]) as chaos:
        assert outcomes(shop(clock), 5) == ["answer", "refused", "injected", "answer", "answer"]
    assert (chaos.attempts, chaos.injected) == (5, 2)


def test_inject_script_repeated_starts_anew(clock: ManualClock) -> None:
    """With `repeat` the script has no end."""
    with inject("shop", script=["ok", REFUSED], repeat=True):
        assert outcomes(shop(clock), 5) == ["answer", "refused", "answer", "refused", "answer"]


def test_inject_script_step_of_several_faults_happens_in_its_order(clock: ManualClock) -> None:
    """A slow failure is latency and then an error, in both colours."""
    policy = shop(clock)
    with inject("shop", script=[(Fault.latency(5.0), REFUSED)], repeat=True, clock=clock) as chaos:
        with pytest.raises(ConnectionError):
            policy.call(answer)
        with pytest.raises(ConnectionError):
            asyncio.run(policy.acall(aanswer))
    assert (clock.sleeps, chaos.injected) == ([5.0, 5.0], 4)


def test_inject_script_retry_takes_the_next_step(clock: ManualClock) -> None:
    """Attempts of one call are attempts."""
    policy = shop(clock, retry=RetryConfig(jitter=False))
    with inject("shop", script=[REFUSED, REFUSED]) as chaos:
        assert policy.call(answer) == "answer"
    assert (chaos.attempts, clock.sleeps) == (3, [1.0, 2.0])


# ---------------------------------------------------------------------- errors and decorators


def test_fault_error_class_and_factory_make_a_new_error_each_time(clock: ManualClock) -> None:
    """Errors of several attempts are several errors, unless one object was given."""
    one = OSError("one")
    seen: dict[str, list[BaseException]] = {"class": [], "factory": [], "object": []}
    sources: dict[str, Any] = {"class": TimeoutError, "factory": lambda: OSError("made"), "object": one}
    for name, source in sources.items():
        with inject(None, Fault.error(source)):
            for _ in range(2):
                with pytest.raises(OSError) as caught:
                    shop(clock).call(answer)
                seen[name].append(caught.value)
    assert seen["class"][0] is not seen["class"][1]
    assert seen["factory"][0] is not seen["factory"][1]
    assert seen["object"] == [one, one]


def test_fault_error_object_used_again_does_not_grow(clock: ManualClock) -> None:
    """One object raised a hundred times carries the traceback of the last time only."""
    error = OSError("one")
    depths = []
    with inject(None, Fault.error(error)):
        for _ in range(100):
            try:
                shop(clock).call(answer)
            except OSError:
                depths.append(_depth(error))
    assert depths[0] == depths[-1]


def _depth(error: BaseException) -> int:
    depth, traceback = 0, error.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    return depth


def test_fault_error_factory_that_makes_no_error_says_so(clock: ManualClock) -> None:
    """A factory's slip is reported and not returned as an answer."""
    wrong: Any = lambda: "no error"  # noqa: E731 - a type checker would refuse it in place
    with inject(None, Fault.error(wrong)), pytest.raises(TypeError, match="no error"):
        shop(clock).call(answer)


def test_inject_decorated_functions_start_anew_each_time(clock: ManualClock) -> None:
    """A decorated test finds the script at its beginning, in both colours."""
    policy = shop(clock)

    @inject("shop", script=[REFUSED])
    def test() -> list[str]:
        return outcomes(policy, 2)

    @inject("shop", script=[REFUSED])
    async def atest() -> Any:
        with pytest.raises(ConnectionError):
            await policy.acall(aanswer)
        return await policy.acall(aanswer)

    assert test() == test() == ["refused", "answer"]
    coroutine: Coroutine[Any, Any, Any] = atest()
    assert asyncio.run(coroutine) == "answer"
    assert outcomes(policy, 1) == ["answer"]


# ---------------------------------------------------------------------- bad input

NOT_A_FAULT: Any = "error"


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (lambda: Fault.error(ConnectionError, rate=1.5), ["rate"]),
        (lambda: Fault.error(ConnectionError, rate=True), ["rate"]),
        (lambda: Fault.error(NOT_A_FAULT, rate=-0.1), ["error", "rate"]),
        (lambda: Fault.error(str), ["error"]),  # type: ignore[arg-type]  # the mistake under test
        (lambda: Fault.latency(-1.0), ["seconds"]),
        (lambda: Fault.latency(float("inf"), rate=float("nan")), ["seconds", "rate"]),
        (lambda: Fault.result(None, rate=2.0), ["rate"]),
        (lambda: inject("shop"), ["script"]),
        (lambda: inject("shop", script=[]), ["script"]),
        (lambda: inject("shop", REFUSED, script=["ok"]), ["script"]),
        (lambda: inject("shop", NOT_A_FAULT), ["faults"]),
        (lambda: inject("shop", script=["ok", NOT_A_FAULT, [NOT_A_FAULT]]), ["script", "script"]),
        (lambda: inject("shop", script=[Fault.result(1, rate=0.5)]), ["script"]),
    ],
)
def test_fault_impossible_arguments_are_all_reported(make: Callable[[], object], fields: list[str]) -> None:
    """Bad input is refused at once, field by field."""
    with pytest.raises(ConfigError) as caught:
        make()
    assert [violation.field for violation in caught.value.violations] == fields
