"""ScrollIntel keeps Python services working while the things they depend on fail."""

from __future__ import annotations

from .core.fault_tolerance import *  # noqa: F403 - the front door lists its names
from .core.fault_tolerance import __all__ as _public

__version__ = "0.1.0"
__all__ = [*_public, "__version__"]  # noqa: PLE0604 - the names come from the front door
