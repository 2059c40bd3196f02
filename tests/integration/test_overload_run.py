"""The overload benchmark: a real server and real clients for two seconds, and the page that tells of them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import document
from benchmarks.overload_http import __main__ as program
from benchmarks.overload_http import page
from benchmarks.overload_http.client import Sent
from benchmarks.overload_http.running import Measured, measure, tallied
from benchmarks.overload_http.scene import Lengths, scene, schedule
from benchmarks.overload_http.variants import VARIANTS, variant
from scrollintel.simulation.scenario import Scenario

TINY = Lengths(before=0.4, dip=1.6, after=0.4, bucket=0.2, cold=0.5)


def tiny(*, cold: bool = False) -> Scenario:
    """Return a scene of two seconds."""
    policies = {one.name: one.policy for one in VARIANTS if one.policy is not None}
    return scene(TINY, cold=cold, policies=policies, clients=4)


def test_every_request_is_accounted_for() -> None:
    """A run of real processes tells of each request once, and of no answer that the server did not give."""
    scenario = tiny(cold=True)
    measured = measure(scenario, "goodput", 1, processes=2)
    run = measured.run
    assert run.offered == len(schedule(scenario, 1)) > 200
    assert run.offered == run.answered + sum(run.refused.values()) + sum(run.failed.values())
    assert 0 < run.answered <= measured.served <= run.attempts
    assert sum(bucket.attempts for bucket in run.buckets) == run.attempts
    assert run.answered < run.offered, "the server does not get through the requests of the dip"


def test_a_process_that_dies_ends_the_run() -> None:
    """The error names the program; its own traceback stands on standard error."""
    with pytest.raises(RuntimeError, match=r"overload_http\.client.* ended with code 1"):
        measure(tiny(), "nothing that there is", 1, processes=1)


def test_requests_come_at_the_same_times_for_the_same_seed() -> None:
    """Every client has its share of them."""
    scenario = tiny()
    first = schedule(scenario, 1)
    assert first == schedule(scenario, 1) != schedule(scenario, 2)
    assert {client for _, client in first} == set(range(4))


def test_figures_count_phases_ends_and_calls_at_once() -> None:
    """Before, in the dip and after: one request each is answered, retried in vain, refused."""
    sent = [
        Sent(0.3, 0.0, 0.35, "answered", ""),
        Sent(0.7, 0.0, 1.5, "failed", "TimeoutError"),
        Sent(0.8, 0.0),
        Sent(2.01, 0.0, 2.02, "refused", "circuit_open"),
        Sent(2.1, 0.0, 2.3, "answered", ""),
    ]
    run = tallied(tiny(), "any", sent, [0.3, 0.7, 0.75, 2.1])
    assert (run.before, run.during, run.after) == (1.0, 0.0, 0.5)
    assert run.recovery is None
    assert run.failed == {"TimeoutError": 1, "unanswered": 1}
    assert run.refused == {"circuit_open": 1}
    assert run.most_running == 2
    assert run.attempts_per_request == pytest.approx(0.8)


def test_the_page_tells_the_runs_and_which_of_them_do_not_count(tmp_path: Path) -> None:
    """The page that ships has the marks, and what stands between them is replaced."""
    scenario = tiny()
    run = tallied(scenario, "goodput", [Sent(0.3, 0.0, 0.35, "answered", "")], [0.3])
    kept_up, late = Measured(run, 0.001, 0.002, 1.0, 1, 1), Measured(run, 0.5, 0.6, 1.0, 1, 1)
    assert kept_up.valid
    assert not late.valid
    target = tmp_path / "page.md"
    target.write_text(program.PAGE.read_text("utf-8"), encoding="utf-8")
    world = page.World(scenario, [kept_up], {"goodput": run})
    document.write(page.text([world], "A machine", 1, pictures=True), target, program.WRITER)
    written = target.read_text("utf-8")
    assert "| **goodput** | 100.0 % |" in written
    assert "Every run is valid." in written
    assert "![Goodput over time, warm server](images/overload-warm.svg)" in written
    assert ElementTree.fromstring(world.chart.to_svg()).tag.endswith("svg")
    text = page.text([page.World(scenario, [late], {})], "A machine", 1, pictures=False)
    assert "**Not valid: goodput**" in text


def test_every_variant_says_what_it_is_and_what_it_needs() -> None:
    """The command line knows each by its name; one without a policy names the libraries that it is made of."""
    for one in VARIANTS:
        assert variant(one.name) is one
        assert one.about
        assert one.policy is not None or one.modules
