"""The modelled service behaves as queueing theory says, and as a service in trouble does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import exp, factorial
from random import Random

import pytest

from scrollintel.simulation.arrivals import arrivals, rate_at
from scrollintel.simulation.loop import VirtualLoop
from scrollintel.simulation.scenario import ArrivalsConfig, ServiceChange, ServiceConfig
from scrollintel.simulation.service import Answer, Host


class Trial:
    """Sends requests to one host and keeps when each was answered."""

    def __init__(self, config: ServiceConfig, seed: int = 1) -> None:
        self.loop = VirtualLoop()
        self.host = Host(0, config, self.loop, Random(seed))
        self.times: list[float] = []
        self.errors: list[str] = []
        self.answers: list[Answer] = []

    def send(self, at: float) -> None:
        self.loop.call_at(at, self._send)

    def _send(self) -> None:
        began, answer = self.loop.time(), self.loop.create_future()
        self.answers.append(answer)
        answer.add_done_callback(lambda answer: self._done(answer, began))
        self.host.accept(answer)

    def _done(self, answer: Answer, began: float) -> None:
        error = answer.exception()
        if error is None:
            self.times.append(self.loop.time() - began)
        else:
            self.errors.append(type(error).__name__)

    def poisson(self, rate: float, seconds: float, seed: int = 7) -> Trial:
        for at in arrivals(ArrivalsConfig(rate=rate), seconds, Random(seed)):
            self.send(at)
        self.loop.run_until(seconds + 1000.0)
        return self


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean."""
    return sum(values) / len(values)


# ------------------------------------------------------------------ against theory


@pytest.mark.parametrize("rate", [30.0, 60.0])
def test_one_worker_with_exponential_times_is_an_mm1_queue(rate: float) -> None:
    """Mean time in the system is 1 / (mu - lambda)."""
    trial = Trial(ServiceConfig(service_time=0.01, distribution="exponential", queue=10**6)).poisson(rate, 300)
    assert mean(trial.times) == pytest.approx(1 / (100.0 - rate), rel=0.06)


def test_one_worker_with_constant_times_waits_half_as_long() -> None:
    """Pollaczek and Khinchine: the mean wait of M/D/1 is rho / (2 mu (1 - rho))."""
    trial = Trial(ServiceConfig(service_time=0.01, queue=10**6)).poisson(60.0, 300)
    assert mean(trial.times) - 0.01 == pytest.approx(0.6 / (2 * 100.0 * 0.4), rel=0.06)


def test_lognormal_times_have_the_mean_that_was_asked_for() -> None:
    """The spread does not move the mean; the wait follows the second moment (Pollaczek and Khinchine)."""
    config = ServiceConfig(service_time=0.01, distribution="lognormal", spread=0.8, queue=10**6)
    trial = Trial(config).poisson(40.0, 400)
    second = 0.01**2 * exp(0.8**2)
    assert mean(trial.times) == pytest.approx(0.01 + 40.0 * second / (2 * (1 - 0.4)), rel=0.08)


def test_a_bounded_line_refuses_the_share_of_an_mm1k_queue() -> None:
    """With K places in all, the share of refusals is (1 - rho) rho^K / (1 - rho^(K + 1))."""
    trial = Trial(ServiceConfig(service_time=0.01, distribution="exponential", queue=3)).poisson(90.0, 200)
    rho, places = 0.9, 4
    expected = (1 - rho) * rho**places / (1 - rho ** (places + 1))
    assert set(trial.errors) == {"ConnectionRefusedError"}
    assert len(trial.errors) / len(trial.answers) == pytest.approx(expected, rel=0.05)


def test_workers_without_a_line_refuse_what_erlang_says() -> None:
    """Erlang's B formula, whatever the distribution of the service times."""
    trial = Trial(ServiceConfig(service_time=0.05, distribution="lognormal", workers=5, queue=0)).poisson(80.0, 200)
    load = 80.0 * 0.05
    blocked = (load**5 / factorial(5)) / sum(load**n / factorial(n) for n in range(6))
    assert len(trial.errors) / len(trial.answers) == pytest.approx(blocked, rel=0.06)


# ------------------------------------------------------------------ troubles


def test_a_dip_makes_work_take_longer_and_ends() -> None:
    """Work that begins during the dip takes 1 / capacity times as long."""
    change = ServiceChange(at=10, until=20, capacity=0.25)
    trial = Trial(ServiceConfig(service_time=1.0, changes=(change,)))
    for at in (0.0, 12.0, 30.0):
        trial.send(at)
    trial.loop.run_until(100.0)
    assert trial.times == [1.0, 4.0, 1.0]


def test_a_service_that_stands_still_goes_on_with_its_line() -> None:
    """Nothing is lost: what waits is done when the capacity is back."""
    trial = Trial(ServiceConfig(service_time=1.0, changes=(ServiceChange(at=10, until=20, capacity=0.0),)))
    for at in (12.0, 13.0):
        trial.send(at)
    trial.loop.run_until(100.0)
    assert trial.times == [9.0, 9.0]


def test_abandoned_work_is_done_all_the_same() -> None:
    """The worker does not notice that the client has gone."""
    trial = Trial(ServiceConfig(service_time=10.0))
    trial.send(0.0)
    trial.loop.call_at(1.0, lambda: trial.answers[0].set_exception(TimeoutError()))
    trial.send(2.0)
    trial.loop.run_until(100.0)
    assert (trial.errors, trial.times) == (["TimeoutError"], [18.0])


def test_failures_and_hangs_come_in_their_shares() -> None:
    """A failure takes a worker its time; a hang gets no answer and holds nobody."""
    trial = Trial(ServiceConfig(service_time=0.001, failures=0.25, hangs=0.1)).poisson(200.0, 50)
    hung = sum(not answer.done() for answer in trial.answers)
    assert hung / len(trial.answers) == pytest.approx(0.1, rel=0.1)
    assert len(trial.errors) / (len(trial.answers) - hung) == pytest.approx(0.25, rel=0.1)


def test_a_cold_service_gains_its_speed_with_timely_answers() -> None:
    """After the dip it starts where the dip was and is back after so many answers in time."""
    change = ServiceChange(at=0, until=10, capacity=0.5)
    trial = Trial(ServiceConfig(service_time=1.0, cold_start=2, changes=(change,)))
    for at in (20.0, 30.0, 40.0, 50.0):
        trial.send(at)
    trial.loop.run_until(100.0)
    assert trial.times == pytest.approx([2.0, 1 / 0.75, 1.0, 1.0])


def test_the_change_that_began_last_holds_and_others_come_back() -> None:
    """Overlapping changes go by field."""
    changes = (ServiceChange(at=0, latency=1.0), ServiceChange(at=10, until=20, latency=5.0, capacity=0.5))
    trial = Trial(ServiceConfig(service_time=1.0, changes=changes))
    for at in (5.0, 15.0, 25.0):
        trial.send(at)
    trial.loop.run_until(100.0)
    assert trial.times == [2.0, 7.0, 2.0]


# ------------------------------------------------------------------ arrivals


def test_rates_change_in_steps_and_ramps() -> None:
    """A ramp starts from the rate before it; after `until` the first rate is back."""
    config = ArrivalsConfig(rate=10, changes=[{"at": 10, "rate": 30, "over": 10}, {"at": 40, "rate": 0, "until": 50}])
    assert [rate_at(config, at) for at in (0, 10, 15, 20, 30, 45, 55)] == [10, 10, 20, 30, 30, 0, 30]


@pytest.mark.parametrize("kind", ["poisson", "constant"])
def test_as_many_requests_come_as_the_rate_says(kind: str) -> None:
    """Counts over each phase are those of its rate."""
    config = ArrivalsConfig(rate=100, kind=kind, changes=[{"at": 100, "rate": 300, "over": 50, "until": 200}])
    times = list(arrivals(config, 300.0, Random(4)))
    assert times == sorted(times)
    counts = [sum(start <= at < end for at in times) for start, end in ((0, 100), (100, 150), (150, 200), (200, 300))]
    assert counts == pytest.approx([10_000, 10_000, 15_000, 10_000], rel=0.0 if kind == "constant" else 0.04, abs=2)


def test_even_arrivals_are_even() -> None:
    """The distance is one over the rate."""
    times = list(arrivals(ArrivalsConfig(rate=4, kind="constant"), 10.0, Random(1)))
    assert len(times) == 39
    assert all(later - sooner == pytest.approx(0.25) for sooner, later in pairwise(times))
