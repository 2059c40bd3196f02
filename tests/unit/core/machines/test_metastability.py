"""When an overload is taken to keep itself alive, what is done about it, and how that ends."""

from __future__ import annotations

import pytest

from scrollintel import ConfigError, MetastabilityConfig
from scrollintel.core.machines.metastability import MetastabilityMachine, Phase

CRITICAL = 1


class Traffic:
    """Twenty calls a second, whatever becomes of them."""

    def __init__(self, **fields: object) -> None:
        self.machine = MetastabilityMachine(MetastabilityConfig(**fields), 0.0)  # type: ignore[arg-type]  # by name
        self.now = 0.0
        self.passed = 0

    def flow(self, seconds: int, *, good: bool = True, attempts: int = 1, rate: int = 20, hang: bool = False) -> None:
        """Let calls come and end within a tenth of a second, or stay when they hang."""
        for step in range(seconds * 10):
            for number in range(rate // 10):
                permit = self.machine.enter(self.now, CRITICAL, ((step * 7 + number * 3) % 10 + 0.5) / 10.0)
                self.passed += permit is not None
                if permit is not None and not hang:
                    self.machine.leave(permit, self.now + 0.05, attempts, good=good)
            self.now += 0.1

    @property
    def told(self) -> list[Phase]:
        """Return the phases that were told, each once in a row."""
        phases = [change.new for change in self.machine.changes]
        return [phase for place, phase in enumerate(phases) if not place or phases[place - 1] is not phase]


def test_metastability_sheds_and_lets_go_when_goodput_is_back() -> None:
    """Suspected after half of the minimum duration, shed after all of it, and released step by step."""
    traffic = Traffic()
    traffic.flow(40)
    assert traffic.machine.phase is Phase.NORMAL
    traffic.flow(7, good=False, attempts=3)
    assert traffic.machine.phase is Phase.SUSPECTED
    traffic.flow(7, good=False, attempts=3)
    assert traffic.machine.phase is Phase.SHEDDING
    assert traffic.machine.share <= 0.1
    traffic.flow(20)
    assert traffic.machine.phase is Phase.NORMAL
    assert traffic.told == [Phase.SUSPECTED, Phase.SHEDDING, Phase.RELEASING, Phase.NORMAL]
    sentence = traffic.machine.changes[0].sentence
    assert "goodput is 0% where 100% is usual" in sentence
    assert "each makes 3 attempts (usual 1)" in sentence


def test_metastability_calls_that_hang_are_a_queue() -> None:
    """Nothing ends, so nothing is retried; that ever more calls are in flight says enough."""
    traffic = Traffic()
    traffic.flow(40)
    traffic.flow(15, hang=True)
    assert traffic.machine.phase is Phase.SHEDDING
    assert "in flight" in traffic.machine.changes[0].sentence


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"good": False}, id="errors that nothing sustains"),
        pytest.param({"attempts": 3}, id="retries that help"),
        pytest.param({"good": False, "attempts": 3, "rate": 60}, id="load still high"),
    ],
)
def test_metastability_leaves_other_troubles_alone(trouble: dict[str, int]) -> None:
    """Each sign alone is not enough, and while more calls come than usual the trigger is still there."""
    traffic = Traffic()
    traffic.flow(40)
    traffic.flow(60, **trouble)  # type: ignore[arg-type]  # by name
    assert traffic.told == []


def test_metastability_one_good_judgement_starts_the_time_anew() -> None:
    """Bad seconds have to follow each other."""
    traffic = Traffic()
    traffic.flow(40)
    for _ in range(5):
        traffic.flow(4, good=False, attempts=3)
        traffic.flow(2)
    assert traffic.told == []


def test_metastability_that_only_tells_lets_all_calls_pass() -> None:
    """It is suspected and it is over; nothing is shed."""
    traffic = Traffic(sheds=False)
    traffic.flow(40)
    traffic.flow(60, good=False, attempts=3)
    traffic.flow(5)
    assert traffic.told == [Phase.SUSPECTED, Phase.NORMAL]
    assert traffic.passed == 20 * 105


def test_metastability_nothing_is_judged_before_it_is_known() -> None:
    """While it learns, trouble is taken for what is usual."""
    traffic = Traffic()
    traffic.flow(20, good=False, attempts=3)
    assert traffic.machine.phase is Phase.LEARNING
    assert traffic.told == []


def test_metastability_sheds_the_least_critical_calls_first() -> None:
    """The share that passes is filled from the most critical class down."""
    machine = MetastabilityMachine(MetastabilityConfig(), 0.0)
    now = 0.0
    for _ in range(60):
        for rank in range(4):
            for _ in range(5):
                permit = machine.enter(now, rank, 0.0)
                if permit is not None:
                    machine.leave(permit, now, 1 if now < 40.0 else 3, good=now < 40.0)
        now += 1.0
    assert machine.phase is Phase.SHEDDING
    machine.share = 0.3
    assert machine.shares() == pytest.approx((1.0, 0.2, 0.0, 0.0))


def test_metastability_a_share_that_sheds_nothing_is_refused() -> None:
    """All calls would pass in a phase that is there to shed some."""
    with pytest.raises(ConfigError, match="shed_to"):
        MetastabilityConfig(shed_to=1.0)


def test_metastability_silence_ends_it() -> None:
    """When hardly anybody calls any more there is no overload."""
    traffic = Traffic()
    traffic.flow(40)
    traffic.flow(15, good=False, attempts=3)
    assert traffic.machine.phase is Phase.SHEDDING
    for _ in range(2):
        traffic.now += 60.0
        traffic.machine.turn(traffic.now)
    assert traffic.machine.phase is Phase.NORMAL
    assert traffic.machine.changes[-1].sentence == "hardly any calls come"


def test_metastability_calls_from_before_say_nothing_about_those_that_pass() -> None:
    """What was in flight when shedding began ends late and badly; only calls that pass afterwards are judged."""
    traffic = Traffic()
    traffic.flow(40)
    old = [traffic.machine.enter(traffic.now, CRITICAL, 0.0) for _ in range(200)]
    traffic.flow(14, good=False, attempts=3)
    assert traffic.machine.phase is Phase.SHEDDING
    traffic.flow(3)
    assert traffic.machine.phase is Phase.RELEASING
    for permit in old:
        assert permit is not None
        traffic.machine.leave(permit, traffic.now, 3, good=False)
    traffic.flow(8)
    assert traffic.told == [Phase.SUSPECTED, Phase.SHEDDING, Phase.RELEASING, Phase.NORMAL]


def test_metastability_a_relapse_is_ended_sooner_and_let_go_more_slowly() -> None:
    """The same again soon after all calls pass needs a fifth of the time; later it is a new failure."""
    traffic = Traffic()
    traffic.flow(40)
    traffic.flow(14, good=False, attempts=3)
    traffic.flow(11)
    assert traffic.machine.phase is Phase.NORMAL
    traffic.flow(4, good=False, attempts=3)
    assert traffic.machine.phase is Phase.SHEDDING
    seconds = 0
    while traffic.machine.phase is not Phase.NORMAL:
        traffic.flow(1)
        seconds += 1
    assert 11 < seconds < 30
    traffic.flow(60)
    traffic.flow(4, good=False, attempts=3)
    assert traffic.machine.phase is Phase.NORMAL
