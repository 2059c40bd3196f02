"""The dashboard of the terminal without a terminal: keys are pressed, and what stands on the screen is read."""

from __future__ import annotations

import asyncio
import html
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fcntl import ioctl
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from scrollintel.cli.client import Client
from scrollintel.cli.target import Target
from scrollintel.cli.terminal.app import Dashboard

PATIENCE = 40.0
INTERVAL = 0.2
ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
"""What gives a terminal a colour; back to its own (39, 49) is none."""
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
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(self.text) from None
        return self.text


def on_a_terminal(arguments: list[str], variables: dict[str, str], *, until: str, typed: str) -> tuple[int, str]:
    """Run `scrollintel` on a terminal, type once a text is on it, and return exit code and everything written.

    Arguments:
        arguments: Those of `scrollintel`.
        variables: Further variables of its environment.
        until: What is waited for.
        typed: What is typed then.
    """
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("SCROLLINTEL_", "NO_COLOR", "COL"))}
    environment = {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT), **variables}
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, "-m", "scrollintel", *arguments]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT) as child:
        os.close(slave)
        written, told = b"", False
        try:
            while piece := os.read(master, 65_536):
                written += piece
                if not told and until.encode() in written:
                    os.write(master, typed.encode())
                    told = True
        except OSError:  # how Linux says that the other end has been closed
            pass
        os.close(master)
        return child.wait(PATIENCE), written.decode(errors="replace")


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
