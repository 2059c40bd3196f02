"""One run: start, play the scenarios, show, report, and leave no process behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live

from . import arguments, report
from .arguments import SCENARIOS, Options
from .scenarios import PLAYS
from .stage import Showing, Stage
from .timeline import Mark
from .view import View, entry_line
from .yard import StartError, Yard

FRAME = 0.25
SCREENSHOT_SIZE = (100, 30)
KEPT, BROKEN, NO_START, INTERRUPTED = 0, 1, 3, 130


def main() -> int:
    """Run the demo as the command line asks; return the exit code."""
    options = arguments.parse(sys.argv[1:])
    if options is None:
        return KEPT
    yard = Yard()
    try:
        return asyncio.run(_until_signalled(yard, options))
    except StartError as error:
        print(f"The demo could not start its services: {error}", file=sys.stderr)
        return NO_START
    finally:
        yard.close()


async def _until_signalled(yard: Yard, options: Options) -> int:
    """Run to the end, or until Ctrl-C or a request to terminate."""
    loop, task = asyncio.get_running_loop(), asyncio.create_task(_run(yard, options))
    caught: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        caught.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        print("Stopped; no process is left behind.", file=sys.stderr)
        return INTERRUPTED if caught[0] is signal.SIGINT else 128 + caught[0]


async def _run(yard: Yard, options: Options) -> int:
    began, console = datetime.now(UTC), Console()
    stage = Stage(yard, rate=options.rate, seed=options.seed)
    console.print("Starting an inventory with a SQLite database, a storefront and a batch job …", soft_wrap=True)
    await asyncio.to_thread(stage.start_services)
    console.print(
        f"The control plane's dashboard: {stage.platform.url} – open it in a browser meanwhile.", soft_wrap=True
    )
    view = View(stage, options.scenarios, options.duration)
    pictures: list[str] = []
    live = options.live and console.is_terminal and not console.is_dumb_terminal
    stream = asyncio.create_task(stage.stream.run())
    stage.timeline.began = time.monotonic()
    played: list[dict[str, Any]] = []
    gc.freeze()
    try:
        async with _shown(stage, view, console, live, pictures if options.screenshot else None):
            for name in options.scenarios:
                played.append(await _play(stage, name, options.seconds_each))
                if stream.done():
                    stream.result()
    finally:
        stream.cancel()
        await asyncio.gather(stream, return_exceptions=True)
        if not options.stay:
            await asyncio.to_thread(stage.platform.leave)
    report.print_report(console, stage.figures)
    if options.json is not None:
        report.write_json(options.json, report.as_json(stage, options, played, began))
    if options.screenshot is not None and pictures:
        options.screenshot.write_text(pictures[-1], encoding="utf-8")
    if options.stay:
        console.print(f"Everything goes on until Ctrl-C: {stage.platform.url}", soft_wrap=True)
        try:
            await asyncio.Event().wait()
        finally:
            stage.platform.leave()
    return BROKEN if report.broken(stage.figures) else KEPT


async def _play(stage: Stage, name: str, seconds: float) -> dict[str, Any]:
    """Play one scenario; return what the JSON says about it."""
    stage.showing = Showing(name=name, began=time.monotonic())
    stage.seconds = seconds
    stage.timeline.add(Mark.SCENE, f"{name}: {SCENARIOS[name]}")
    try:
        await PLAYS[name](stage)
    finally:
        stage.protected.handler = stage.protected.plain
    began, ended = stage.showing.began, time.monotonic()
    protected, control = stage.lanes(began, ended)
    return {
        "name": name,
        "began_at": began - stage.timeline.began,
        "seconds": ended - began,
        "lanes": {"protected": protected.to_dict(), "control": control.to_dict()},
        "figures": [figure.to_dict() for figure in stage.figures if figure.scenario == name],
    }


@contextlib.asynccontextmanager
async def _shown(
    stage: Stage, view: View, console: Console, live: bool, pictures: list[str] | None
) -> AsyncIterator[None]:
    """Show the run while the block runs: as a live view, or line by line."""
    if not live:
        stage.timeline.on_entry = lambda entry: console.print(entry_line(entry), soft_wrap=True)
    with contextlib.ExitStack() as stack:
        screen = stack.enter_context(Live(console=console, screen=True, auto_refresh=False)) if live else None
        task = asyncio.create_task(_refresh(stage, view, console, screen, pictures))
        try:
            yield
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            stage.timeline.collect()
            stage.timeline.on_entry = lambda entry: None
        if isinstance(ended, Exception):
            raise ended


async def _refresh(stage: Stage, view: View, console: Console, screen: Live | None, pictures: list[str] | None) -> None:
    while True:
        stage.timeline.collect()
        if screen is not None:
            screen.update(view.frame(console), refresh=True)
        if pictures is not None and stage.faults.active:
            pictures[:] = [_picture(view)]
        await asyncio.sleep(FRAME)


def _picture(view: View) -> str:
    width, height = SCREENSHOT_SIZE
    console = Console(
        record=True, width=width, height=height, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(view.frame(console), height=height)
    # Without the fonts that it would fetch from the net: a picture in a README asks nobody for anything.
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo"), flags=re.DOTALL)
