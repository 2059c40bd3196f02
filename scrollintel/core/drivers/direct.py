"""The short way through a healthy policy, written once for both colours and compiled for each signature.

A call through a calm circuit needs no permit: it remembers the circuit's era, runs the operation, and leaves its
duration in a buffer. Every other case goes to the chain of links.

The text in `short_way` is compiled for each protected function with the function's own parameters, as `dataclasses`
compiles `__init__`: packing arguments into `*args, **kwargs` and unpacking them again costs more than all the
rest. It is compiled in the shape of the policy at that time: one without a clock does not ask for the time. When the
policy takes another shape, its circuit is no longer where that function looks for it, and the function hands over to
the one that fits every shape. The text has no input but names of parameters.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from math import inf
from textwrap import indent
from types import CoroutineType
from typing import Any

from ..call import DEADLINE
from ..interventions import INTERVENTIONS
from ..retry_scope import RETRIES, RetryScope, leave_context
from ..strategies.meter import BATCH
from . import blocking
from .further import again, ending, failed, pause, run
from .plan import Holder, finish
from .short_way import ANY, ASYNCHRONOUS, BLOCKING, EITHER, FIRST, FURTHER, SHAPES


def _environment(holder: Any, fn: Any) -> dict[str, Any]:
    return {
        "holder": holder, "fn": fn, "INTERVENTIONS": INTERVENTIONS, "deadline": DEADLINE.get, "finish": finish,
        "failed": failed, "BATCH": BATCH, "CoroutineType": CoroutineType, "set_deadline": DEADLINE.set,
        "RetryScope": RetryScope, "retries": RETRIES.get, "set_retries": RETRIES.set, "NEVER": inf,
        "LAZY": blocking.LAZY, "refuse_generator": blocking.refuse_generator,
    }  # fmt: skip


def _environment_blocking(holder: Any, fn: Any) -> dict[str, Any]:
    return {
        **_environment(holder, fn), "run": run, "again": again, "ending": ending, "pause": pause,
        "reset_deadline": DEADLINE.reset, "reset_retries": RETRIES.reset, "refuse_lazy": blocking.refuse_lazy,
    }  # fmt: skip


def _environment_asynchronous(holder: Any, fn: Any) -> dict[str, Any]:
    from . import asynchronous, deadline

    return {
        **_environment(holder, fn), "run": asynchronous.run, "again": asynchronous.again,
        "ending": asynchronous.ending, "pause": asynchronous.pause, "bounded": deadline.bounded,
        "reset_deadline": asynchronous.reset_deadline,
        "reset_retries": functools.partial(leave_context, RETRIES),
    }  # fmt: skip


def _build(
    template: str, colour: Mapping[str, str], environment: dict[str, Any], *, name: str, shape: str, passed: str,
    fn: str = "fn", number: str = "1", depth: int = 4, **texts: str,
) -> Any:  # fmt: skip
    """Return the function that a template makes with one colour and one shape, its attempt `depth` columns deep."""
    inner = {"fn": fn, "passed": passed}
    lines = {key: text.format(**inner) for key, text in colour.items()}
    operation, bounded = lines["operation"], lines["bounded"]
    texts.setdefault("held", ", key, scope, books" if shape == "fast" else "")
    attempt = SHAPES[shape].attempt.format(
        operation=indent(operation, " " * 4),
        deep_operation=indent(operation, " " * 8),
        bounded_operation=indent(bounded, " " * 8),
        deeper_operation=indent(bounded, " " * 12),
        await_=lines["await_"],
        elsewhere=texts.get("elsewhere"),
    )
    settlement = SHAPES[shape].settlement.format(check=lines["check"], number=number)
    if "elsewhere" in texts:
        choice = SHAPES[shape].choice.format(shape=shape, passed=passed, await_=lines["await_"], **texts)
        texts.update(choice=indent(choice, " " * 4), refuser=SHAPES[shape].refuser)
    text = template.format(
        name=name, shape=shape, fn=fn, async_=lines["async_"], await_=lines["await_"],
        attempt=indent(attempt, " " * depth), settlement=indent(settlement, " " * (depth + 4)), **texts,
    )  # fmt: skip
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
    "lane", "circuit", "era", "call", "clock", "started", "ended", "expires", "elapsed", "value", "error", "key",
    "scope", "books", "slots", "throttle", "budget", "samples", "reset_retries", "RetryScope", "retries",
    "set_retries", "durations", "step", "token", "cell", "protected", "len", "type", "str", "hasattr", "BaseException",
    "run", "again", "ending", "pause", "bounded", "reset_deadline", "refuse_lazy", "refuse_generator", "LAZY",
    "further", "elsewhere",
}  # fmt: skip
_RESERVED = _LOCALS | set(_environment(None, None))


def compiled(holder: Holder, fn: Any, *, coroutine: bool) -> Any:
    """Return a function with the parameters and the colour of `fn` that runs it under the policy of `holder`."""
    if coroutine:
        environment = _environment_asynchronous(holder, fn)
        environment.update(further=asynchronous_further(), elsewhere=asynchronous_invoke())
    else:
        environment = {**_environment_blocking(holder, fn), "further": further, "elsewhere": invoke}
    signature = _signature(fn, environment)
    parameters, passed, args, kwargs = signature or ("*args, **kwargs", "*args, **kwargs", "args", "kwargs")
    return _build(
        FIRST, ASYNCHRONOUS if coroutine else BLOCKING, environment, name="protected", shape=holder.lane.shape,
        parameters=parameters, passed=passed, args=args, kwargs=kwargs, fallback="None", unbrought="",
        elsewhere=f"run(lane, fn, {args}, {kwargs}, None)"
        if holder.lane.shape in ("fast", "keyed")
        else f"elsewhere(holder, fn, {args}, {kwargs})",
    )  # fmt: skip


_GENERIC: dict[str, Any] = {
    "parameters": "holder, fn, args, kwargs, fallback=None",
    "passed": "*args, **kwargs",
    "args": "args",
    "kwargs": "kwargs",
    "fallback": "fallback",
    "unbrought": " and fallback is None",
}
_ALL = "run(lane, fn, args, kwargs, fallback)"
_BY_KEY_OR_ALL = f"(by_key(holder, fn, args, kwargs, fallback) if lane.keyed else {_ALL})"


def _further(colour: Mapping[str, str], environment: dict[str, Any]) -> Any:
    return _build(
        FURTHER, colour, environment, name="further", shape="retried", passed="*args, **kwargs", number="call.attempt",
        depth=8,
    )  # fmt: skip


further: Callable[..., Any] = _further(ANY, _environment_blocking(None, None))
"""`further(lane, call)` goes on with a call after a failed attempt."""


def _invoke(colour: Mapping[str, str], environment: dict[str, Any]) -> Any:
    _build(FIRST, colour, environment, name="by_key", shape="keyed", elsewhere=_ALL, **_GENERIC)
    return _build(FIRST, colour, environment, name="invoke", shape="fast", elsewhere=_BY_KEY_OR_ALL, **_GENERIC)


invoke: Callable[..., Any] = _invoke(ANY, {**_environment_blocking(None, None), "further": further})
"""`invoke(holder, fn, args, kwargs, fallback=None)` runs a plain function under the policy of `holder`."""


@functools.cache
def asynchronous_further() -> Callable[..., Any]:
    """Return the twin of `further` for plain and coroutine functions."""
    twin: Callable[..., Any] = _further(EITHER, _environment_asynchronous(None, None))
    return twin


@functools.cache
def asynchronous_invoke() -> Callable[..., Any]:
    """Return the twin of `invoke` for plain and coroutine functions; asyncio is imported on the first call."""
    environment = {**_environment_asynchronous(None, None), "further": asynchronous_further()}
    twin: Callable[..., Any] = _invoke(EITHER, environment)
    return twin
