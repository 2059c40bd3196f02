"""What can be protected, in which colour, and what is refused with a reason."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .drivers.direct import compiled
from .drivers.plan import Holder
from .errors import UnprotectedError


def is_coroutine_function(fn: Any) -> bool:
    """Tell whether calling `fn` gives a coroutine: also for partials, methods and objects with async `__call__`."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if inspect.iscoroutinefunction(fn):
        return True
    return not inspect.isfunction(fn) and inspect.iscoroutinefunction(getattr(fn, "__call__", None))  # noqa: B004 - the method itself is examined


def wrap(holder: Holder, fn: Any) -> Any:
    """Return `fn` protected by the policy of `holder`, with the same signature and colour.

    Class and static methods are protected inside their descriptor.

    Raises:
        UnprotectedError: for what a call does not cover, such as a generator, whose failures come later.
    """
    if isinstance(fn, classmethod | staticmethod):
        return type(fn)(wrap(holder, fn.__func__))
    refuse(fn)
    return _label(compiled(holder, fn, coroutine=is_coroutine_function(fn)), fn, holder)


def _label(protected: Callable[..., Any], fn: Any, holder: Holder) -> Any:
    functools.update_wrapper(protected, fn)
    if not hasattr(fn, "__name__"):
        protected.__name__ = protected.__qualname__ = getattr(getattr(fn, "func", fn), "__name__", type(fn).__name__)
    protected.pipeline = holder  # type: ignore[attr-defined]  # so that users reach state and snapshot from the function
    return protected


def refuse(fn: Any) -> None:
    """Raise UnprotectedError when a protected call would not cover what `fn` does."""
    inner = fn
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not inspect.isroutine(inner) and not inspect.isclass(inner):
        inner = getattr(inner, "__call__", inner)  # noqa: B004 - the method itself is examined
    if inspect.isgeneratorfunction(inner):
        problem = "is a generator function: it fails while it is iterated, after the protected call has returned"
        hint = "protect the function that consumes it"
    elif inspect.isasyncgenfunction(inner):
        problem = "is an async generator function: it fails while it is iterated, after the protected call has returned"
        hint = "protect the coroutine that consumes it"
    elif inspect.isclass(fn):
        problem = "is a class, which would become a function"
        hint = "protect its methods, or a function that makes the object"
    elif isinstance(fn, property):
        problem = "is a property"
        hint = "put the decorator below @property, on the getter"
    elif not callable(fn):
        problem = "is not callable"
        hint = "pass a function, a method or an object with __call__"
    else:
        return
    raise UnprotectedError(f"cannot protect {fn!r}: it {problem}; {hint}")
