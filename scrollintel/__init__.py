"""ScrollIntel keeps Python services working while the things they depend on fail."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .core import fault_tolerance as _door

if TYPE_CHECKING:
    from .core.fault_tolerance import *  # noqa: F403 - the front door lists its names
    from .replica import Heartbeat as Heartbeat
    from .replica import connect as connect

__version__ = "0.1.0"
__all__ = [*_door.__all__, "Heartbeat", "__version__", "connect"]  # noqa: PLE0604 - the names come from the front door


def __getattr__(name: str) -> Any:  # Any: a module's attributes are of all types
    if name in ("Heartbeat", "connect"):  # loaded when they are first asked for
        from . import replica

        return getattr(replica, name)
    if name not in _door.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_door, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _join() -> None:
    from .replica import connect_from_environment

    connect_from_environment()


if os.environ.get("SCROLLINTEL_URL"):
    _door.ft_manager.registry.await_first_call(_join)
