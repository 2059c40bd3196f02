"""Spans of protected calls: which calls have one, what stands on it, and who is whose parent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, StatusCode, get_current_span

from scrollintel import (
    CircuitBreakerConfig,
    CircuitIsolatedError,
    ConfigError,
    FaultToleranceManager,
    HedgeConfig,
    Pipeline,
    Policy,
    Registry,
    RetryConfig,
    TimeoutConfig,
    Value,
)
from scrollintel.telemetry.otel import instrument
from scrollintel.testing import ManualClock
from tests.conformance.conftest import Build
from tests.conformance.driver import AsynchronousDriver, Driver, Script


class Tracing:
    """A real SDK that keeps spans in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")
        self._instrumentations: list[Any] = []

    def on(self, target: Any, **options: Any) -> Any:
        """Instrument a target, with every call chosen."""
        instrumentation = instrument(target, **{"sample": 1.0, "tracer_provider": self.provider, **options})
        self._instrumentations.append(instrumentation)
        return instrumentation

    def end(self) -> None:
        """Remove every instrumentation and end the SDK."""
        for instrumentation in self._instrumentations:
            instrumentation.remove()
        self.provider.shutdown()

    def spans(self, name: str = "resilience.call") -> list[ReadableSpan]:
        """Return the spans of that name, in the order in which they ended."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def only(self, name: str = "resilience.call") -> ReadableSpan:
        """Return the one span of that name."""
        (span,) = self.spans(name)
        return span


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """Return an SDK of the test's own."""
    found = Tracing()
    yield found
    found.end()


def said(span: ReadableSpan, *keys: str) -> list[Any]:
    """Return attributes of a span, without their prefix in the arguments."""
    found = span.attributes or {}
    return [found.get(key if "." in key else f"resilience.{key}") for key in keys]


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of a span, in order, with attributes that lost their prefix."""
    return [
        (event.name, {key.removeprefix("resilience."): value for key, value in (event.attributes or {}).items()})
        for event in span.events
    ]


def context_of(span: ReadableSpan) -> SpanContext:
    """Return the context of a span."""
    found = span.get_span_context()
    assert found is not None
    return found


def current() -> SpanContext:
    """Return the context of the current span."""
    return get_current_span().get_span_context()


# ------------------------------------------------------------------ one call


def test_tracing_a_success_gives_one_span_with_its_attempt(driver: Driver, build: Build, tracing: Tracing) -> None:
    """Policy, circuit, outcome and attempts stand on the span, which is current while the operation runs."""
    pipeline = build(breaker=CircuitBreakerConfig("db"), retry=RetryConfig())
    tracing.on(pipeline)
    seen: list[SpanContext] = []
    assert driver.call(pipeline, driver.make(lambda: seen.append(current()) or "row")) == "row"
    span = tracing.only()
    assert said(span, "policy", "circuit", "outcome", "attempts") == ["service", "db", "success", 1]
    assert span.status.status_code is StatusCode.UNSET
    assert events(span) == [
        ("attempt.started", {"attempt": 1}),
        ("attempt.ended", {"attempt": 1, "outcome": "success"}),
    ]
    assert [one.span_id for one in seen] == [context_of(span).span_id]
    assert not current().is_valid


def test_tracing_retries_are_events_in_order(driver: Driver, build: Build, tracing: Tracing) -> None:
    """Each attempt begins and ends, and what the retry decided stands between them."""
    pipeline = build(retry=RetryConfig(max_attempts=3, base_delay=2.0, jitter=False))
    tracing.on(pipeline)
    driver.call(pipeline, driver.make(Script(OSError("secret"), OSError("secret"), "ok")))
    span = tracing.only()
    assert [name for name, _ in events(span)] == [
        "attempt.started", "attempt.ended", "retry.scheduled",
        "attempt.started", "attempt.ended", "retry.scheduled",
        "attempt.started", "attempt.ended",
    ]  # fmt: skip
    assert events(span)[1][1] == {"attempt": 1, "outcome": "failure", "error.type": "OSError"}
    assert events(span)[2][1] == {"attempt": 1, "delay": 2.0, "error.type": "OSError"}
    assert said(span, "outcome", "attempts") == ["success", 3]


def test_tracing_a_failure_names_the_class_and_never_the_text(driver: Driver, build: Build, tracing: Tracing) -> None:
    """The text of an error may hold anything, so no part of the span has it."""
    pipeline = build(retry=RetryConfig(max_attempts=2, base_delay=0))
    tracing.on(pipeline)
    assert driver.error(pipeline, driver.make(Script(OSError("password=1234")))) is OSError
    span = tracing.only()
    assert said(span, "outcome", "error.type", "attempts") == ["failure", "OSError", 2]
    assert span.status.status_code is StatusCode.ERROR
    assert "retry.given_up" in [name for name, _ in events(span)]
    assert "1234" not in span.to_json()


def test_tracing_an_opening_circuit_and_its_refusals(driver: Driver, build: Build, tracing: Tracing) -> None:
    """The call that opens the circuit says so; the next one is rejected without an attempt."""
    pipeline = build(breaker=CircuitBreakerConfig("db", failure_threshold=1, recovery_timeout=30))
    tracing.on(pipeline)
    driver.error(pipeline, driver.make(Script(OSError())))
    driver.error(pipeline, driver.make(Script("never")))
    opening, refused = tracing.spans()
    (change,) = [values for name, values in events(opening) if name == "circuit.state_changed"]
    assert (change["state.old"], change["state"], change["delay"]) == ("closed", "open", 30.0)
    assert said(refused, "outcome", "error.type", "attempts") == ["rejected", "CircuitOpenError", 0]
    assert events(refused) == [("call.rejected", {"layer": "breaker", "delay": 30.0})]


def test_tracing_a_fallback_is_the_outcome(driver: Driver, build: Build, tracing: Tracing) -> None:
    """A call that a fallback answered is no failure, and the event says which fallback and for what."""
    pipeline = build(fallback=Value("cached"))
    tracing.on(pipeline)
    assert driver.call(pipeline, driver.make(Script(OSError()))) == "cached"
    span = tracing.only()
    assert said(span, "outcome", "error.type") == ["fallback", None]
    assert events(span)[-1][0] == "fallback.used"
    assert span.status.status_code is StatusCode.UNSET


def test_tracing_a_late_call_is_timed_out(clock: ManualClock, build: Build, tracing: Tracing) -> None:
    """A coroutine that was cancelled by its time limit timed out; its caller did not cancel it."""
    driver = AsynchronousDriver(clock)
    pipeline = build(timeout=TimeoutConfig(attempt=1.0))
    tracing.on(pipeline)
    assert driver.error(pipeline, driver.takes(5.0)) is not None
    driver.finish()
    assert said(tracing.only(), "outcome", "error.type") == ["timed_out", "CallTimeoutError"]


def test_tracing_a_cancelled_call_is_no_failure(clock: ManualClock, build: Build, tracing: Tracing) -> None:
    """Who cancels a call has lost interest; the span ends with that, and its status stays unset."""
    pipeline = build(retry=RetryConfig(max_attempts=2))
    tracing.on(pipeline)

    async def main() -> None:
        started = asyncio.Event()

        async def hang() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(pipeline.acall(hang))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    span = tracing.only()
    assert said(span, "outcome", "error.type", "attempts") == ["cancelled", "CancelledError", 1]
    assert events(span)[-1][1]["outcome"] == "cancelled"
    assert span.status.status_code is StatusCode.UNSET


def test_tracing_a_result_that_counts_as_failure_says_so(driver: Driver, build: Build, tracing: Tracing) -> None:
    """The breaker's own judgement of a returned value is that of the span."""
    pipeline = build(breaker=CircuitBreakerConfig("db", result_predicate=lambda value: value == 503))
    tracing.on(pipeline)
    driver.call(pipeline, driver.make(Script(503)))
    assert said(tracing.only(), "outcome", "error.type") == ["failure", None]


# ------------------------------------------------------------------ threads, tasks, parents


def test_tracing_the_callers_span_is_the_parent(driver: Driver, build: Build, tracing: Tracing) -> None:
    """A call belongs to the trace of whoever makes it, and that span is the current one again afterwards."""
    pipeline = build(retry=RetryConfig())
    tracing.on(pipeline)
    with tracing.tracer.start_as_current_span("request") as request:
        driver.call(pipeline, driver.make(lambda: None))
        assert current() == request.get_span_context()
    span = tracing.only()
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id


def test_tracing_hedges_share_the_span_across_threads_and_tasks(
    driver: Driver, clock: ManualClock, build: Build, tracing: Tracing
) -> None:
    """Both attempts run under the call's span, the hedge is told, and a loser changes nothing afterwards."""
    clock.patience = 0.02
    pipeline = build(hedge=HedgeConfig(delay=1.0, max_hedges=1, quantile=None, budget=None))
    tracing.on(pipeline)
    seen: list[int] = []
    free = threading.Event()

    def begin() -> int:
        seen.append(current().span_id)
        return len(seen)

    def blocking() -> int:
        number = begin()
        if number == 1:
            free.wait(10)
        return number

    async def asynchronous() -> int:
        number = begin()
        if number == 1:
            await asyncio.Event().wait()
        return number

    assert driver.call(pipeline, asynchronous if driver.asynchronous else blocking) == 2
    free.set()
    span = tracing.only()
    assert seen == [context_of(span).span_id] * 2
    assert said(span, "outcome", "attempts") == ["success", 2]
    assert ("hedge.launched", {"attempt": 2, "delay": 1.0}) in events(span)


def test_tracing_a_worker_thread_has_the_calls_span(driver: Driver, build: Build, tracing: Tracing) -> None:
    """An operation in a thread of its own is a part of the trace."""
    pipeline = build(timeout=TimeoutConfig(attempt=30, in_thread=True))
    tracing.on(pipeline)
    here, seen = threading.get_ident(), list[tuple[int, int]]()

    def operation() -> None:
        seen.append((threading.get_ident(), current().span_id))

    driver.call(pipeline, operation)
    ((thread, span_id),) = seen
    assert thread != here
    assert span_id == context_of(tracing.only()).span_id


def test_tracing_attempt_spans_are_children_and_current(driver: Driver, build: Build, tracing: Tracing) -> None:
    """With `attempt_spans` each attempt has a span below that of its call, and the operation runs in it."""
    pipeline = build(retry=RetryConfig(max_attempts=2, base_delay=0))
    tracing.on(pipeline, attempt_spans=True)
    seen: list[int] = []
    script = Script(OSError(), "ok")
    driver.call(pipeline, driver.make(lambda: (seen.append(current().span_id), script())[1]))
    span = tracing.only()
    attempts = tracing.spans("resilience.attempt")
    assert [one.parent.span_id for one in attempts if one.parent] == [context_of(span).span_id] * 2
    assert seen == [context_of(one).span_id for one in attempts]
    assert [said(one, "attempt", "outcome", "error.type") for one in attempts] == [
        [1, "failure", "OSError"],
        [2, "success", None],
    ]


def test_tracing_nested_calls_keep_their_facts_apart(driver: Driver, build: Build, tracing: Tracing) -> None:
    """What happens to an inner call stands on its own span, or nowhere when its policy is not traced."""
    outer = build("outer", retry=RetryConfig())
    inner = build("inner", retry=RetryConfig(max_attempts=2, base_delay=0))
    tracing.on(outer)
    driver.call(outer, driver.through(inner, driver.make(Script(OSError(), "ok"))))
    assert [name for name, _ in events(tracing.only())] == ["attempt.started", "attempt.ended"]


def test_tracing_a_block_and_the_rounds_of_a_loop_have_spans(driver: Driver, build: Build, tracing: Tracing) -> None:
    """A guard is one call; a loop cannot be seen as a whole, so each of its rounds has a span."""
    pipeline = build(breaker=CircuitBreakerConfig("db"), retry=RetryConfig(max_attempts=2, base_delay=0))
    tracing.on(pipeline)
    driver.block(pipeline, lambda: None)
    assert said(tracing.only(), "outcome", "attempts") == ["success", 1]
    tracing.exporter.clear()
    assert driver.loop(pipeline, Script(OSError(), "ok")) == "ok"
    assert [said(span, "outcome", "attempts") for span in tracing.spans()] == [["failure", 1], ["success", 1]]
    assert [events(span)[0] for span in tracing.spans()] == [("attempt.started", {"attempt": n}) for n in (1, 2)]
    assert not current().is_valid


def test_tracing_a_refused_block_is_rejected(driver: Driver, build: Build, tracing: Tracing) -> None:
    """A block that may not begin has a span all the same."""
    pipeline = build(breaker=CircuitBreakerConfig("db"))
    pipeline.circuit().isolate()
    tracing.on(pipeline)
    with pytest.raises(CircuitIsolatedError):
        driver.block(pipeline, lambda: None)
    assert said(tracing.only(), "outcome", "attempts") == ["rejected", 0]


# ------------------------------------------------------------------ on, off, and how much


def test_tracing_off_leaves_the_short_way_and_its_state(driver: Driver, build: Build, tracing: Tracing) -> None:
    """Instrumenting sends calls the long way, removing sends them back, and the circuit keeps its counts."""
    pipeline = build(breaker=CircuitBreakerConfig("db"), retry=RetryConfig())
    short = pipeline.lane.fast
    operation = driver.make(lambda: None)
    driver.call(pipeline, operation)
    instrumentation = tracing.on(pipeline)
    assert pipeline.lane.fast is not short
    driver.call(pipeline, operation)
    instrumentation.remove()
    instrumentation.remove()
    assert pipeline.lane.fast is short
    driver.call(pipeline, operation)
    assert len(tracing.spans()) == 1
    assert pipeline.snapshot().tally.successes == 3


def test_tracing_a_manager_covers_present_and_later_policies(
    driver: Driver, registry: Registry, tracing: Tracing
) -> None:
    """Policies by name, combinations of the manager, and replaced configurations are all instrumented."""
    manager = FaultToleranceManager(registry=registry)
    before = registry.pipeline(Policy("before", retry=RetryConfig()))
    instrumentation = tracing.on(manager)
    registry.pipeline(Policy("later", retry=RetryConfig()))
    registry.replace(Policy("before", retry=RetryConfig(max_attempts=7)))
    operation = driver.make(lambda: None)
    driver.call(before, operation)
    driver.call(registry.get("later"), operation)
    driver.execute(manager, operation, circuit_breaker_config=CircuitBreakerConfig("keyword"))
    assert [said(span, "policy") for span in tracing.spans()] == [["before"], ["later"], ["keyword"]]
    with pytest.raises(ConfigError, match="remove that first"):
        tracing.on(manager)
    instrumentation.remove()
    driver.call(before, operation)
    assert len(tracing.spans()) == 3


def test_tracing_a_share_is_chosen_by_policy(registry: Registry, tracing: Tracing) -> None:
    """A policy with share 0 keeps its short way, another one has all its calls traced."""
    plain = registry.pipeline(Policy("plain", retry=RetryConfig()))
    loud = registry.pipeline(Policy("loud", retry=RetryConfig()))
    short = plain.lane.fast
    tracing.on(registry, sample=0.0, policies={"loud": 1.0})
    for pipeline in (plain, loud):
        pipeline.call(lambda: None)
    assert said(tracing.only(), "policy") == ["loud"]
    assert plain.lane.fast is short


def test_tracing_inside_a_trace_its_id_decides(build: Build, tracing: Tracing) -> None:
    """Of a recorded trace either all calls have spans or none, and a trace that is not recorded has none."""
    pipeline = build(retry=RetryConfig())
    tracing.on(pipeline, sample=0.5)
    chosen, left = (trace.NonRecordingSpan(SpanContext(at, 1, False, trace.TraceFlags(1))) for at in (1, 2**64 - 1))
    silent = trace.NonRecordingSpan(SpanContext(1, 1, False, trace.TraceFlags(0)))
    for span, expected in ((chosen, 5), (left, 0), (silent, 0)):
        tracing.exporter.clear()
        with trace.use_span(span):
            for _ in range(5):
                pipeline.call(lambda: None)
        assert len(tracing.spans()) == expected


def test_tracing_a_call_inside_a_traced_call_is_traced(build: Build, tracing: Tracing) -> None:
    """The inner call's own share does not tear a hole into the trace."""
    outer, inner = build("outer", retry=RetryConfig()), build("inner", retry=RetryConfig())
    tracing.on(outer)
    tracing.on(inner, sample=1e-18)
    outer.call(inner.call, lambda: None)
    assert [said(span, "policy") for span in tracing.spans()] == [["inner"], ["outer"]]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), True, "half"])
def test_tracing_a_share_that_is_none_is_refused(share: Any, build: Build) -> None:
    """The error names what was given and what may be given."""
    with pytest.raises(ConfigError, match="a share, 0 to 1"):
        instrument(build(), sample=share)
    with pytest.raises(ConfigError, match="a share, 0 to 1"):
        instrument(build(), policies={"service": share})


def test_tracing_something_else_is_refused() -> None:
    """A function cannot be instrumented, and the error says what can."""
    wrong: Any = print
    with pytest.raises(ConfigError, match="a manager, a registry or a pipeline"):
        instrument(wrong)


class Broken:
    """A tracer provider whose tracer always fails."""

    def get_tracer(self, *_: object, **__: object) -> Broken:
        return self

    def start_span(self, *_: object, **__: object) -> object:
        raise RuntimeError("no span for you")


def test_tracing_that_fails_does_not_reach_the_call(driver: Driver, build: Build) -> None:
    """A tracer's error is counted, and the call goes on without a span."""
    pipeline = build(retry=RetryConfig())
    broken: Any = Broken()
    instrumentation = instrument(pipeline, sample=1.0, tracer_provider=broken)
    assert driver.call(pipeline, driver.make(lambda: "row")) == "row"
    assert (instrumentation.failures, instrumentation.last_failure) == (1, "RuntimeError")
    instrumentation.remove()


def test_tracing_events_of_one_span_are_bounded(build: Build, tracing: Tracing) -> None:
    """Beyond 128 events a span counts them."""
    pipeline = build(retry=RetryConfig(max_attempts=100, base_delay=0))
    tracing.on(pipeline)
    with pytest.raises(OSError):
        pipeline.call(Script(OSError()))
    span = tracing.only()
    assert len(span.events) == 128
    assert said(span, "events_dropped", "attempts") == [100 * 3 - 128, 100]


def test_tracing_follows_the_providers_own_decision(build: Build) -> None:
    """What the provider does not record costs no events, and the operation still runs in its context."""
    provider = TracerProvider(sampler=ALWAYS_OFF)
    pipeline = build(retry=RetryConfig())
    instrumentation = instrument(pipeline, sample=1.0, tracer_provider=provider)
    recorded: list[bool] = []
    pipeline.call(lambda: recorded.append(current().trace_flags.sampled))
    assert recorded == [False]
    instrumentation.remove()
    provider.shutdown()


def test_tracing_a_coroutine_closed_elsewhere_leaves_that_context_alone(
    build: Build, tracing: Tracing, caplog: pytest.LogCaptureFixture
) -> None:
    """The garbage collector closes a forgotten coroutine wherever it runs; its span ends and no error is logged."""
    pipeline = build(retry=RetryConfig())
    tracing.on(pipeline)
    never: list[Any] = []

    class Suspend:
        def __await__(self) -> Iterator[None]:
            yield

    async def operation() -> None:
        await Suspend()

    import contextvars

    coroutine = pipeline.acall(operation)
    contextvars.copy_context().run(coroutine.send, None)
    with tracing.tracer.start_as_current_span("elsewhere") as other:
        coroutine.close()
        never.append(current())
    assert never == [other.get_span_context()]
    assert said(tracing.only(), "outcome") == ["cancelled"]
    assert caplog.records == []


def test_pipeline_by_default_is_not_observed(clock: ManualClock) -> None:
    """Nobody watches a policy before somebody asks for it."""
    assert Pipeline(Policy("p"), clock=clock).lane.observer is None
