"""The command line of the demo: what may be asked for, and what is refused with a reason."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

SCENARIOS = {
    "circuit-breaker": "the storefront hangs: unprotected calls wait in vain, protected ones are refused at once",
    "retry": "the database is locked again and again: retries with jitter get through, no order is booked twice",
    "degradation": "the back end gets slow, then sick: features go level by level, and come back",
    "recovery": "one process is killed, another hangs: the control plane notices, restarts and proves health",
    "combined": "errors, slowness, a lock, a kill and a hang in a row, against every strategy at once",
}
SECONDS_EACH = 13.0
SHORTEST_EACH = 4.0
LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the run is to do."""

    scenarios: tuple[str, ...]
    duration: float
    rate: float
    seed: int
    live: bool
    stay: bool
    json: Path | None
    screenshot: Path | None

    @property
    def seconds_each(self) -> float:
        """Seconds for one scenario."""
        return self.duration / len(self.scenarios)


def parse(arguments: list[str]) -> Options | None:
    """Return the options, or None when the question is answered already (`--list`); exits with 2 on a bad one."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        width = max(map(len, SCENARIOS))
        print("\n".join(f"{name:{width}}  {about}" for name, about in SCENARIOS.items()))
        return None
    scenarios = tuple(dict.fromkeys(given.scenario)) or tuple(SCENARIOS)
    duration = SECONDS_EACH * len(scenarios) if given.duration is None else given.duration
    shortest = SHORTEST_EACH * len(scenarios)
    if duration < shortest:
        several = "1 scenario needs" if len(scenarios) == 1 else f"{len(scenarios)} scenarios need"
        parser.error(f"argument --duration: {duration:g} is too short, {several} at least {shortest:g} seconds")
    for path in (given.json, given.screenshot):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            parser.error(f"cannot write {path}: {'it is a folder' if path.is_dir() else 'its folder does not exist'}")
    return Options(
        scenarios=scenarios,
        duration=duration,
        rate=given.rate,
        seed=given.seed,
        live=not given.no_live,
        stay=given.stay,
        json=given.json,
        screenshot=given.screenshot,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo_fault_tolerance.py",
        description="Start real services on this machine, break them for real, and watch scrollintel survive it. "
        "The same stream of requests is sent twice: protected by the library, and unprotected as the control.",
        epilog="Exit code: 0 when the protected stream kept every promise, 1 when one was broken, 2 for bad "
        "arguments, 3 when the services could not be started, 130 after Ctrl-C.",
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=list(SCENARIOS),
        default=[],
        metavar="NAME",
        help=f"run only this one; may be repeated: {', '.join(SCENARIOS)}",
    )
    parser.add_argument(
        "--duration",
        type=_Number("seconds", SHORTEST_EACH, LONGEST),
        metavar="SECONDS",
        help=f"length of the whole run: {SHORTEST_EACH:g} or more for each scenario, default {SECONDS_EACH:g} for each",
    )
    parser.add_argument(
        "--rate",
        type=_Number("requests per second", 20, 100),
        default=40.0,
        metavar="N",
        help="requests per second in each of the two streams (default 40)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed of the requests and of the lock's rhythm"
    )
    parser.add_argument("--no-live", action="store_true", help="print plain lines instead of the live view")
    parser.add_argument("--stay", action="store_true", help="keep everything running afterwards, until Ctrl-C")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measured figures to this file")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="save the live view, amid a fault, as SVG")
    parser.add_argument("--list", action="store_true", help="list the scenarios and stop")
    return parser


class _Number:
    """A finite number within bounds; anything else is refused in words."""

    def __init__(self, unit: str, least: float, most: float) -> None:
        self._allowed = f"a number of {unit} from {least:g} to {most:g}"
        self._least, self._most = least, most

    def __call__(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self._least <= value <= self._most:
            raise argparse.ArgumentTypeError(f"{text!r} is not {self._allowed}")
        return value
