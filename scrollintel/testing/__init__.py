"""Help for testing code that uses this library: a manual clock, switches, injected faults."""

from __future__ import annotations

from .clock import ManualClock
from .faults import Fault
from .injection import Injection, inject
from .switches import immediate_retries, protection_disabled

__all__ = ["Fault", "Injection", "ManualClock", "immediate_retries", "inject", "protection_disabled"]
