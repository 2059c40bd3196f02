"""Spans of protected calls: what stands around each call and each attempt of an instrumented policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.context import attach, detach, get_current, set_value
from opentelemetry.trace import INVALID_SPAN_CONTEXT, StatusCode, Tracer, get_current_span, set_span_in_context

from ...core.call import Call
from ...core.errors import CallTimeoutError, RejectedError, kind_of
from ...core.events import Event
from ...core.hub import EventHub
from ...core.strategies.classify import cancels
from ...core.strategies.gate import NO_RESULT, Immediate
from . import attributes as names
from .call_trace import TRACE_KEY, CallTrace, current
from .sampling import Sampler

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

_FAULTY = ("failure", "rejected", "timed_out")


class Failures:
    """Counts what tracing itself could not do; no call notices it."""

    __slots__ = ("count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last: str | None = None

    def add(self, error: Exception) -> None:
        """Count an error of the tracer."""
        self.count += 1
        self.last = type(error).__name__


class _Around(Immediate):
    __slots__ = ("_failures", "_tracer")

    def __init__(self, tracer: Tracer, failures: Failures) -> None:
        self._tracer = tracer
        self._failures = failures


class Calls(_Around):
    """One span for each chosen call of a policy."""

    __slots__ = ("_policy", "_sampler")

    def __init__(self, tracer: Tracer, failures: Failures, *, policy: str, sampler: Sampler) -> None:
        super().__init__(tracer, failures)
        self._policy = policy
        self._sampler = sampler

    def enter(self, call: Call) -> CallTrace | None:
        """Begin a span if the call is chosen, and make it the current one."""
        call.observed = None  # the rounds of a loop share their call
        try:
            context = get_current()
            if not self._is_chosen(context):
                return None
            circuit = call.circuit.name
            span = self._tracer.start_span(names.SPAN, attributes={names.POLICY: self._policy, names.CIRCUIT: circuit})
            trace = CallTrace(span, context, policy=self._policy, circuit=circuit)
            trace.context = set_value(TRACE_KEY, trace, set_span_in_context(span))
            trace.token = attach(trace.context)
            call.observed = trace
        except Exception as error:  # the tracer's error is its own
            self._failures.add(error)
            return None
        return trace

    def leave(self, call: Call, permit: object, error: BaseException | None, value: object) -> None:
        """End the span with how the call ended."""
        if not isinstance(permit, CallTrace):
            return
        try:
            try:
                _leave(permit.token, permit.context, error)
                permit.write()
                permit.span.set_attribute(names.ATTEMPTS, permit.attempts)
            finally:
                answered = error is None and permit.answered
                _end(permit.span, "fallback" if answered else _outcome(call, error, value), error)
        except Exception as raised:  # the tracer's error is its own
            self._failures.add(raised)

    def _is_chosen(self, context: Context) -> bool:
        # Most calls that are not chosen are outside any trace, so that is found out first.
        parent = get_current_span(context).get_span_context() if context else INVALID_SPAN_CONTEXT
        if not parent.is_valid:
            return self._sampler.outside()
        if current() is not None:
            return True
        return parent.trace_flags.sampled and self._sampler.inside(parent.trace_id)


class _Begun(NamedTuple):
    trace: CallTrace
    span: Span | None
    context: Context | None
    token: Token[Context] | None


class Attempts(_Around):
    """Two events for each attempt of a traced call, and a span of its own if that is wanted."""

    __slots__ = ("_own_spans",)

    def __init__(self, tracer: Tracer, failures: Failures, *, own_spans: bool) -> None:
        super().__init__(tracer, failures)
        self._own_spans = own_spans

    def enter(self, call: Call) -> _Begun | None:
        """Note that an attempt of a traced call begins."""
        trace: CallTrace | None = call.observed
        if trace is None:
            return None
        try:
            trace.count_attempt()
            trace.note("attempt.started", {names.ATTEMPT: call.attempt})
            if not self._own_spans:
                return _Begun(trace, None, None, None)
            own: dict[str, str | int] = {names.POLICY: call.policy, names.ATTEMPT: call.attempt}
            span = self._tracer.start_span(names.ATTEMPT_SPAN, trace.context, attributes=own)
            context = set_span_in_context(span, trace.context)
            return _Begun(trace, span, context, attach(context))
        except Exception as error:  # the tracer's error is its own
            self._failures.add(error)
            return None

    def leave(self, call: Call, permit: object, error: BaseException | None, value: object) -> None:
        """Note how the attempt ended."""
        if not isinstance(permit, _Begun):
            return
        try:
            outcome = _outcome(call, error, value)
            values: dict[str, str | int] = {names.ATTEMPT: call.attempt, names.OUTCOME: outcome}
            if error is not None:
                values[names.ERROR_TYPE] = kind_of(error)
            permit.trace.note("attempt.ended", values)
            if permit.span is not None:
                _leave(permit.token, permit.context, error)
                _end(permit.span, outcome, error)
        except Exception as raised:  # the tracer's error is its own
            self._failures.add(raised)


class Tap:
    """Hands the facts of the engine to the trace of the call that they are about, in the call's own thread."""

    follows_calls = True
    idle = True
    dropped = 0

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def wants(self, kind: type[Event]) -> bool:
        """Tell whether a traced call runs here."""
        return current() is not None

    def offer(self, event: Event) -> None:
        """Note `event` on the call that runs here."""
        trace = current()
        if trace is not None:
            trace.hear(event)

    def start(self) -> None:
        """Do nothing: there is no thread."""

    def renew(self) -> None:
        """Do nothing: traces belong to calls."""

    def cancel(self) -> None:
        """Take no further events."""
        self._hub.detach(self)


def _leave(token: Token[Context] | None, context: Context | None, error: BaseException | None) -> None:
    """Leave a context; a coroutine that the garbage collector closes is in another one, which stays as it is."""
    if token is not None and not (isinstance(error, GeneratorExit) and get_current() is not context):
        detach(token)


def _end(span: Span, outcome: str, error: BaseException | None) -> None:
    span.set_attribute(names.OUTCOME, outcome)
    if error is not None:
        span.set_attribute(names.ERROR_TYPE, kind_of(error))
    if outcome in _FAULTY:
        span.set_status(StatusCode.ERROR, kind_of(error))  # the class alone: texts of errors may hold anything
    span.end()


def _outcome(call: Call, error: BaseException | None, value: object) -> str:
    if error is None:
        return "failure" if _is_bad(call, value) else "success"
    if isinstance(error, RejectedError):
        return "rejected"
    if isinstance(error, CallTimeoutError):
        return "timed_out"
    return "cancelled" if cancels(error) or isinstance(error, GeneratorExit) else "failure"


def _is_bad(call: Call, value: object) -> bool:
    """Tell whether the breaker counts a returned value as a failure; a predicate that raises says nothing."""
    bad = call.circuit.config.result_predicate
    try:
        return bad is not None and value is not NO_RESULT and bool(bad(value))
    except Exception:
        return False
