"""The dashboard of the terminal without a terminal: keys are pressed, and what stands on the screen is read."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from scrollintel.cli.client import Client
from scrollintel.cli.target import Target
from scrollintel.cli.terminal.app import Dashboard

PATIENCE = 20.0
INTERVAL = 0.1
REPORTS = Path(__file__).parents[2] / "reports"
_CELL = 12.2
"""Width of a character in Rich's picture of a terminal."""
_TEXT = re.compile(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>')


class Terminal:
    """A dashboard and somebody who presses its keys.

    Arguments:
        pilot: Textual's driver of the application.
    """

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot

    @property
    def app(self) -> Dashboard:
        """The application."""
        assert isinstance(self.pilot.app, Dashboard)
        return self.pilot.app

    @property
    def text(self) -> str:
        """What stands on the screen, line by line."""
        lines: dict[float, list[tuple[float, str]]] = {}
        for x, y, text in _TEXT.findall(self.app.export_screenshot()):
            lines.setdefault(float(y), []).append((float(x), html.unescape(text).replace("\xa0", " ")))
        return "\n".join(_line(pieces) for _, pieces in sorted(lines.items()))

    @property
    def keys(self) -> str:
        """The last line, which names the keys that are offered."""
        return self.text.splitlines()[-1]

    async def press(self, *keys: str) -> None:
        """Press keys one after another."""
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        """Type a text."""
        await self.pilot.press(*("space" if letter == " " else letter for letter in text))

    async def sees(self, *texts: str, without: str | None = None) -> str:
        """Wait until all texts stand on the screen, and return it."""
        return await self.until(
            lambda text: all(one in text for one in texts) and (without is None or without not in text)
        )

    async def until(self, so: Callable[[str], bool]) -> str:
        """Wait until the screen is so, and return it."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not so(self.text):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(self.text) from None
        return self.text


def _line(pieces: list[tuple[float, str]]) -> str:
    """Return one line; the picture leaves out pieces that are blank."""
    line = ""
    for x, text in sorted(pieces):
        line = line.ljust(round(x / _CELL)) + text
    return line


@asynccontextmanager
async def terminal(
    url: str, token: str | None = None, *, size: tuple[int, int] = (80, 24), timeout: float = 5.0, **options: Any
) -> AsyncIterator[Terminal]:
    """Show the dashboard of a control plane; options are those of `Dashboard`."""
    client = Client(Target(url=url, token=token), timeout=timeout)
    dashboard = Dashboard(client, **{"interval": INTERVAL, **options})
    async with dashboard.run_test(size=size) as pilot:
        yield Terminal(pilot)
