"""The tables and charts of the documentation page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from scrollintel.simulation.chart import Chart
from scrollintel.simulation.report import Run
from scrollintel.simulation.scenario import Scenario

from .running import LATEST, PROCESSES, SLOWEST, Measured
from .scene import CAPACITY, CEILING, LOAD, LOW, TIMEOUT, WORKERS
from .variants import VARIANTS

COMMAND = 'make bench-overload ARGS="--write-docs"'
_COLUMNS = (
    "Clients with", "Before", "In the dip", "After", "Recovery", "Attempts per request", "At once", "p99 of answered",
    "In virtual time: dip, recovery", "",
)  # fmt: skip
_RULES = ("---", *["---:"] * 8, "---")


@dataclass(frozen=True, slots=True)
class World:
    """What was measured with a warm or a cold server.

    Arguments:
        scenario: Clients, server and dip.
        measured: The real runs, in the order of the variants.
        simulated: The same in virtual time, by name; this library's policies only.
    """

    scenario: Scenario
    measured: Sequence[Measured]
    simulated: dict[str, Run]

    @property
    def picture(self) -> str:
        """Return the name of the chart's file."""
        return f"overload-{self.scenario.name.split()[0]}.svg"

    @property
    def chart(self) -> Chart:
        """Return goodput over time."""
        return Chart(
            f"Goodput over time, {self.scenario.name}, real processes",
            self.scenario.bucket,
            self.scenario.troubled,
            {one.run.policy: [bucket.goodput for bucket in one.run.buckets] for one in self.measured},
        )

    def table(self) -> str:
        """Return a row for each variant."""
        return "\n".join([_cells(*_COLUMNS), _cells(*_RULES), *(self._row(one) for one in self.measured)])

    def _row(self, one: Measured) -> str:
        run, simulated = one.run, self.simulated.get(one.run.policy)
        return _cells(
            f"**{run.policy}**" if run.policy == "goodput" else run.policy,
            _percent(run.before),
            _percent(run.during),
            _percent(run.after),
            self._recovery(run),
            f"{run.attempts_per_request:.2f}",
            f"{run.most_running:,}",
            "–" if run.p99 is None else f"{run.p99:.2f} s",
            "–" if simulated is None else f"{_percent(simulated.during)}, {self._recovery(simulated)}",
            "" if one.valid else "**not valid**",
        )

    def _recovery(self, run: Run) -> str:
        left = self.scenario.duration - self.scenario.troubled[1]
        return f"not in {left:g} s" if run.recovery is None else f"{run.recovery:g} s"


def text(worlds: Sequence[World], machine: str, seed: int, *, pictures: bool) -> str:
    """Return the generated part of the page.

    Arguments:
        worlds: What was measured.
        machine: The machine in one line.
        seed: Of the requests' times.
        pictures: Whether the charts are in docs/images; otherwise they are drawn with blocks.
    """
    scenario = worlds[0].scenario
    begin, end = scenario.troubled
    lines = [
        "Made by:",
        "",
        f"```sh\n{COMMAND}\n```",
        "",
        f"{machine}. {WORKERS} workers with {CAPACITY:g} requests per second together; {scenario.clients.count} "
        f"clients in {PROCESSES} processes with {LOAD * CAPACITY:g} requests per second together, seed {seed}. From "
        f"{begin:g} to {end:g} s the server has {100.0 * LOW:g} % of its capacity, so that at most "
        f"{_percent(CEILING)} of the requests can be answered then. Every attempt has {TIMEOUT:g} s.{_versions()}",
        "",
        _kept_up([one for world in worlds for one in world.measured]),
        "",
    ]
    lines += [*(f"- **{one.name}**: {one.about}." for one in VARIANTS), ""]
    for world in worlds:
        lines += [f"### {world.scenario.name.capitalize()}", ""]
        if world.scenario.service.cold_start:
            cold = world.scenario.service.cold_start
            lines += [f"After the dip, capacity comes back with answers in time: all of it after {cold:,}.", ""]
        lines += [world.table(), ""]
        if pictures:
            lines += [f"![Goodput over time, {world.scenario.name}](images/{world.picture})", ""]
        else:
            lines += ["```text", *world.chart.to_text(110), "```", ""]
    return "\n".join(lines)


def _versions() -> str:
    modules = sorted({module for one in VARIANTS if not one.missing for module in one.modules})
    return f" Peers: {', '.join(f'{module} {version(module)}' for module in modules)}." if modules else ""


def _kept_up(all_runs: Sequence[Measured]) -> str:
    """Say how well the generator of load and the server kept up in the worst of the runs."""
    lag, latest = max(one.lag for one in all_runs), max(one.latest for one in all_runs)
    slowness = max(one.slowness for one in all_runs)
    late = [one.run.policy for one in all_runs if not one.valid]
    verdict = (
        f"**Not valid: {', '.join(dict.fromkeys(late))}**; the machine had no room for the load itself."
        if late
        else "Every run is valid."
    )
    return (
        f"In the worst run 99 of 100 requests were sent at most {1000 * lag:.1f} ms late (the latest "
        f"{1000 * latest:.0f} ms), and the server's work took {slowness:.3f} times what it should have taken; a run is "
        f"valid up to {1000 * LATEST:g} ms and {SLOWEST:g} times. {verdict}"
    )


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100.0 * share:.1f} %"
