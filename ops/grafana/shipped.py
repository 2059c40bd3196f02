"""The dashboards that there are."""

from __future__ import annotations

from .circuit import CIRCUIT_DASHBOARD
from .control_plane import CONTROL_PLANE
from .overview import OVERVIEW
from .recovery import RECOVERY

DASHBOARDS = {
    "overview": OVERVIEW,
    "circuit": CIRCUIT_DASHBOARD,
    "recovery": RECOVERY,
    "control-plane": CONTROL_PLANE,
}
"""By the name of their file."""
