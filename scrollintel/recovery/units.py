"""What `systemctl show` says of a unit."""

from __future__ import annotations

PROPERTIES = ("ActiveState", "SubState", "Result", "MainPID", "NRestarts", "InvocationID", "LoadState")
"""What is asked for."""


def parsed(output: str) -> dict[str, str]:
    """Return the properties that `systemctl show` prints, one to a line."""
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
