"""Lets frontrun see what lies in `__slots__`.

Its partial-order reduction follows objects from attribute to attribute through `__dict__` only: an access such as
`self.machine.state`, where `machine` is a slot, is invisible to it, so orderings that matter are never tried. Reading
a slot runs no code, so it may be followed as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import BuiltinMethodType, MemberDescriptorType, MethodType, MethodWrapperType
from typing import Any

from frontrun import _opcode_observer as observer  # type: ignore[import-untyped]  # it has no types

_from_dict = observer._safe_getattr
_children = observer.StableObjectIds._enqueue_children


def _attribute(obj: Any, name: str) -> Any:
    for kind in type(obj).__mro__:
        found = kind.__dict__.get(name)
        if isinstance(found, MemberDescriptorType):
            try:
                return found.__get__(obj, kind)
            except AttributeError:
                return None
        if found is not None:
            break
    return _from_dict(obj, name)


def _enqueue(obj: object, queue: deque[object]) -> None:
    _children(obj, queue)
    if isinstance(obj, MethodType | BuiltinMethodType | MethodWrapperType):
        queue.append(obj.__self__)
    for kind in type(obj).__mro__:
        for name in sorted(kind.__dict__):
            found = kind.__dict__[name]
            if isinstance(found, MemberDescriptorType) and kind.__module__.startswith(("scrollintel", "tests")):
                value = getattr(obj, name, None)
                if value is not None:
                    queue.append(value)


@contextmanager
def slots_seen() -> Iterator[None]:
    """Follow slots while the block runs, and give the objects in them numbers that do not depend on the schedule."""
    observer._safe_getattr = _attribute
    observer.StableObjectIds._enqueue_children = staticmethod(_enqueue)
    try:
        yield
    finally:
        observer._safe_getattr = _from_dict
        observer.StableObjectIds._enqueue_children = staticmethod(_children)
