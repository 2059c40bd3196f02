"""The short way through a healthy policy, written once for both colours and compiled for each signature.

A call through a calm circuit needs no permit: it remembers the circuit's era, runs the operation, and leaves its
duration in a buffer. Every other case goes to the chain of links.

The text below is compiled for each protected function with the function's own parameters, as `dataclasses`
compiles `__init__`: packing arguments into `*args, **kwargs` and unpacking them again costs more than all the
rest. The text has no input but names of parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from math import inf
from textwrap import indent
from types import CoroutineType
from typing import Any

from ..call import DEADLINE, Call
from ..interventions import INTERVENTIONS
from ..strategies.meter import BATCH
from . import blocking
from .plan import Holder, Lane, finish, prepare

_TEMPLATE = """
{async_}def {name}({parameters}):
    lane = holder.lane
    circuit = lane.fast
    era = circuit.calm_era
    if era < 0 or INTERVENTIONS.active or deadline() is not None:
        if lane.bare and not INTERVENTIONS.active{unbrought}:
            circuit.refuse_if_open()
        return {await_}run(lane, {fn}, {args}, {kwargs}, {fallback})
    call = started = elapsed = None
    while True:
        try:
            if lane.timed or circuit.boundary != NEVER:
                clock = lane.clock
                started = clock()
                if lane.limit is None:
{deep_operation}
                else:
                    expires = started + lane.limit
                    cell = [expires, lane.parts.clock]
                    token = set_deadline(cell)
                    try:
{bounded_operation}
                    finally:
                        cell[0] = NEVER
                        reset_deadline(token)
                ended = clock()
                elapsed = ended - started
            else:
                if lane.recovers:
                    started = lane.clock()
{operation}
        except BaseException as error:
            call = failed(lane, call, {fn}, {args}, {kwargs}, {fallback}, started, era, error)
            if call is None:
                raise
        else:
{check}
            if circuit.calm_era == era and (
                elapsed is None or elapsed < lane.attention and ended < circuit.boundary
            ):
                if elapsed is not None and lane.measures:
                    durations = circuit.durations
                    durations.append(elapsed)
                    if len(durations) >= BATCH:
                        circuit.fold()
                else:
                    circuit.next_success()
            else:
                finish(lane, era, elapsed, 1 if call is None else call.attempt)
            return value
        # Outside the handler, so that the errors of several attempts do not hang on each other.
        if call.ending is not None:
            return {await_}ending(lane, call)
        if call.delay > 0.0:
            {await_}pause(lane, call)
        era = circuit.readmit()
        if era < 0:
            return {await_}again(lane, call)
"""

_BLOCKING = {
    "async_": "",
    "await_": "",
    "operation": "value = {fn}({passed})",
    "bounded_operation": "value = {fn}({passed})",
    "check": "if type(value) is CoroutineType:\n    refuse_lazy({fn}, value)",
}
_ASYNCHRONOUS = {
    "async_": "async ",
    "await_": "await ",
    "operation": "value = await {fn}({passed})",
    "bounded_operation": "value = await bounded({fn}({passed}), expires, lane.parts.clock, lane.name, started)",
    "check": "",
}
_EITHER = {
    **_ASYNCHRONOUS,
    "operation": """\
value = {fn}({passed})
if type(value) is CoroutineType or hasattr(value, "__await__"):
    value = await value
elif type(value) in LAZY:
    refuse_generator({fn}, value)""",
    "bounded_operation": """\
value = {fn}({passed})
if type(value) is CoroutineType or hasattr(value, "__await__"):
    value = await bounded(value, expires, lane.parts.clock, lane.name, started)
elif type(value) in LAZY:
    refuse_generator({fn}, value)""",
}
_ANY = {**_BLOCKING, "check": "if type(value) in LAZY:\n    refuse_lazy({fn}, value)"}


def failed(
    lane: Lane, call: Call | None, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], fallback: Any,
    started: float | None, era: int, error: BaseException,
) -> Call | None:  # fmt: skip
    """Count the failure of an attempt and decide what follows.

    Returns the call with its `delay` before another attempt, or with its `ending` for a fallback; None when the
    error is the end of the call.
    """
    now = lane.clock()
    elapsed = None if started is None else now - started
    if call is None:
        # No deadline surrounds the short way and no fault is injected there, so `prepare` has nothing to add.
        call = Call(lane.name, fn, args, kwargs, now if started is None else started)
        call.circuit = lane.circuit
        call.fallback = fallback
        call.measured = lane.measures
    call.expires = None if started is None or lane.limit is None else started + lane.limit
    lane.circuit.settle_first(era, error, now, elapsed, call)
    if not isinstance(error, Exception) or not (lane.recovers or fallback is not None):
        return None
    retry = lane.parts.retry
    if retry is not None:
        delay = retry.after_error(call, error)
        if delay is not None:
            call.delay = delay
            call.attempt += 1
            return call
    rule = lane.parts.fallback
    if fallback is None and rule.config is None:
        return None
    outcome = call.outcome(now, error)
    if not rule.applies(outcome):
        return None
    call.ending = outcome
    return call


def run(lane: Lane, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], fallback: Any) -> Any:
    """Run `fn` through the whole chain."""
    if INTERVENTIONS.off:
        return fn(*args, **kwargs)
    return again(lane, prepare(lane, fn, args, kwargs, fallback, lane.clock()))


def again(lane: Lane, call: Call) -> Any:
    """Run a call, or what is left of it, through the whole chain."""
    if lane.run is None:
        lane.run = blocking.compile_chain(lane)
    return lane.run(call)


def ending(lane: Lane, call: Call) -> Any:
    """Answer a call whose last attempt failed on the short way."""
    return blocking.answer(lane.parts.fallback, call, call.take_ending())


def pause(lane: Lane, call: Call) -> None:
    """Wait before the next attempt."""
    if not INTERVENTIONS.immediate:
        try:
            lane.parts.clock.sleep(call.delay)
        except BaseException:
            if lane.parts.retry is not None:
                lane.parts.retry.not_started(call)
            raise


def _environment(holder: Any, fn: Any) -> dict[str, Any]:
    return {
        "holder": holder, "fn": fn, "INTERVENTIONS": INTERVENTIONS, "deadline": DEADLINE.get, "finish": finish,
        "failed": failed, "BATCH": BATCH, "CoroutineType": CoroutineType, "set_deadline": DEADLINE.set,
        "NEVER": inf, "LAZY": blocking.LAZY, "refuse_generator": blocking.refuse_generator,
    }  # fmt: skip


def _environment_blocking(holder: Any, fn: Any) -> dict[str, Any]:
    return {
        **_environment(holder, fn), "run": run, "again": again, "ending": ending, "pause": pause,
        "reset_deadline": DEADLINE.reset, "refuse_lazy": blocking.refuse_lazy,
    }  # fmt: skip


def _environment_asynchronous(holder: Any, fn: Any) -> dict[str, Any]:
    from . import asynchronous, deadline

    return {
        **_environment(holder, fn), "run": asynchronous.run, "again": asynchronous.again,
        "ending": asynchronous.ending, "pause": asynchronous.pause, "bounded": deadline.bounded,
        "reset_deadline": asynchronous.reset_deadline,
    }  # fmt: skip


def _compile(
    colour: Mapping[str, str], environment: dict[str, Any], *, name: str, parameters: str, passed: str, args: str,
    kwargs: str, fn: str = "fn", fallback: str = "None",
) -> Any:  # fmt: skip
    inner = {"fn": fn, "passed": passed, "args": args, "kwargs": kwargs}
    lines = {key: text.format(**inner) for key, text in colour.items()}
    blocks = {
        "check": indent(lines.pop("check"), " " * 12),
        "bounded_operation": indent(lines.pop("bounded_operation"), " " * 24),
        "deep_operation": indent(lines["operation"], " " * 20),
        "operation": indent(lines.pop("operation"), " " * 16),
    }
    unbrought = "" if fallback == "None" else f" and {fallback} is None"
    text = _TEMPLATE.format(
        name=name, parameters=parameters, fallback=fallback, unbrought=unbrought, **inner, **lines, **blocks
    )
    exec(compile(text, "<scrollintel short way>", "exec"), environment)  # noqa: S102 # nosec B102 - fixed text and names
    return environment[name]


def _signature(fn: Any, defaults: dict[str, Any]) -> tuple[str, str, str, str] | None:
    """Return parameters, passed arguments, args and kwargs as text, or None when they are better packed.

    Defaults go into `defaults` by name, so that no value is ever part of the text.
    """
    if not (inspect.isfunction(fn) or inspect.ismethod(fn)) or hasattr(fn, "__signature__"):
        return None  # what it really takes is not known for sure
    try:
        listed = list(inspect.signature(fn, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in listed):
        return None
    if any(p.name in _RESERVED or not p.name.isidentifier() for p in listed):
        return None
    parameters: list[str] = []
    passed: list[str] = []
    positional: list[str] = []
    keywords: list[str] = []
    for index, p in enumerate(listed):
        text = p.name
        if p.default is not p.empty:
            defaults[f"default_of_{p.name}"] = p.default
            text += f"=default_of_{p.name}"
        if p.kind is p.KEYWORD_ONLY:
            if not any(other.kind is p.KEYWORD_ONLY for other in listed[:index]):
                parameters.append("*")
            passed.append(f"{p.name}={p.name}")
            keywords.append(f"{p.name!r}: {p.name}")
        else:
            passed.append(p.name)
            positional.append(p.name)
        parameters.append(text)
        following = listed[index + 1] if index + 1 < len(listed) else None
        if p.kind is p.POSITIONAL_ONLY and (following is None or following.kind is not p.POSITIONAL_ONLY):
            parameters.append("/")
    args = f"({', '.join(positional)},)" if positional else "()"
    return ", ".join(parameters), ", ".join(passed), args, "{" + ", ".join(keywords) + "}"


_LOCALS = {
    "lane", "circuit", "era", "call", "clock", "started", "ended", "expires", "elapsed", "value", "error",
    "durations", "token",
    "cell",
    "protected", "len", "type", "hasattr", "BaseException", "run", "again", "ending", "pause", "bounded",
    "reset_deadline", "refuse_lazy", "refuse_generator", "LAZY",
}  # fmt: skip
_RESERVED = _LOCALS | set(_environment(None, None))


def compiled(holder: Holder, fn: Any, *, coroutine: bool) -> Any:
    """Return a function with the parameters and the colour of `fn` that runs it under the policy of `holder`."""
    environment = _environment_asynchronous(holder, fn) if coroutine else _environment_blocking(holder, fn)
    colour = _ASYNCHRONOUS if coroutine else _BLOCKING
    signature = _signature(fn, environment)
    parameters, passed, args, kwargs = signature or ("*args, **kwargs", "*args, **kwargs", "args", "kwargs")
    return _compile(
        colour, environment, name="protected", parameters=parameters, passed=passed, args=args, kwargs=kwargs
    )


_GENERIC: dict[str, str] = {
    "parameters": "holder, fn, args, kwargs, fallback=None",
    "passed": "*args, **kwargs",
    "args": "args",
    "kwargs": "kwargs",
    "fallback": "fallback",
}

invoke: Callable[..., Any] = _compile(_ANY, _environment_blocking(None, None), name="invoke", **_GENERIC)
"""`invoke(holder, fn, args, kwargs, fallback=None)` runs a plain function under the policy of `holder`."""


@functools.cache
def asynchronous_invoke() -> Callable[..., Any]:
    """Return the twin of `invoke` for plain and coroutine functions; asyncio is imported on the first call."""
    ainvoke: Callable[..., Any] = _compile(_EITHER, _environment_asynchronous(None, None), name="ainvoke", **_GENERIC)
    return ainvoke
