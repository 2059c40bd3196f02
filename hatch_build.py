"""Puts the dashboard's page into wheels: built here from `web/`, or as a source distribution brings it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent / "web"))
import build as page


class DashboardHook(BuildHookInterface[Any]):  # Any: hatchling's own configuration class
    """Builds the page before a wheel is put together; an editable install is served what `make dashboard` builds."""

    def dependencies(self) -> list[str]:
        """Return the package that brings npm, where the machine has none."""
        return [] if self._needs_nothing() or page.npm() is not None else [page.NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # Any: hatchling's own
        """Build the page and add it, though git ignores it."""
        if version == "editable":
            return
        if not self._needs_nothing():
            command = page.npm()
            if command is None:
                raise RuntimeError(f"the dashboard needs npm, or the Python package {page.NODE_PACKAGE}")
            page.build(command)
        build_data["artifacts"].append("scrollintel/dashboard/bundle/**")

    def _needs_nothing(self) -> bool:
        return page.is_there() and (page.is_current() or not (Path(self.root) / ".git").exists())
