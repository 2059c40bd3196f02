"""Whatever fails and whoever asks: no limit of automation is ever exceeded."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scrollintel.recovery.brake import BrakeLimits, must_engage
from scrollintel.recovery.guardrail import ActionRequest, Ruling, SafetyState, decide
from scrollintel.recovery.strategy import Traits
from scrollintel.recovery.target import Limits, Mode
from tests.thoroughness import examples

GROUPS = {"solo": 1, "pair": 2, "ten": 10}
LIMITS = Limits()
BRAKE = BrakeLimits()
KINDS = {"restart": Traits(restarts=True), "reset": Traits(), "failover": Traits(failover=True)}
KIND = st.sampled_from(sorted(KINDS))
PLACES = [f"{group}/{number}" for group, size in GROUPS.items() for number in range(size)]


@dataclass
class Place:
    """What is true of one target."""

    group: str
    healthy: bool = True
    kind: str | None = None  # of the recovery that runs
    attempts: int = 0
    ended: float | None = None
    failed_over: float | None = None
    down_by_us: bool = False
    begun: list[float] = field(default_factory=list)


class Automation(RuleBasedStateMachine):
    """A world of targets; every recovery asks before it begins and again before it acts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.places = {name: Place(name.partition("/")[0]) for name in PLACES}
        self.stopped = False
        self.braked: str | None = None
        self.window = False
        self.starts: list[float] = []
        self.acted_while_held = 0

    # ------------------------------------------------------------------ the world

    @rule(seconds=st.sampled_from([0.1, 5.0, 59.0, 61.0, 700.0, 3700.0]))
    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    @rule(name=st.sampled_from(PLACES))
    def fails(self, name: str) -> None:
        """A target fails."""
        self.places[name].healthy = False

    @rule(name=st.sampled_from(PLACES))
    def heals(self, name: str) -> None:
        """A target becomes healthy by itself, and its incident is over."""
        place = self.places[name]
        if place.kind is None:
            place.healthy, place.attempts = True, 0

    @rule(stopped=st.booleans())
    def switched(self, stopped: bool) -> None:
        """A person uses the stop switch."""
        self.stopped = stopped

    @rule(window=st.booleans())
    def maintained(self, window: bool) -> None:
        """A maintenance window begins or ends."""
        self.window = window

    @precondition(lambda self: self.braked is not None)
    @rule()
    def released(self) -> None:
        """A person releases the brake; recoveries count anew."""
        self.braked, self.starts = None, []

    # ------------------------------------------------------------------ automation

    def _state(self, name: str, kind: str) -> SafetyState:
        place = self.places[name]
        others = [other for key, other in self.places.items() if other.group == place.group and key != name]
        running = [key for key, other in self.places.items() if other.kind is not None and key != name]
        return SafetyState(
            stopped="by a person" if self.stopped else None,
            braked=self.braked,
            window="weekly" if self.window else None,
            attempts=place.attempts,
            since_recovery=None if place.ended is None else self.now - place.ended,
            since_failover=None if place.failed_over is None else self.now - place.failed_over,
            running_here=place.kind is not None,
            running=len(running),
            running_kind=sum(self.places[key].kind == kind for key in running),
            group_size=len(others) + 1,
            group_busy=sum(other.kind is not None for other in others),
            group_healthy=sum(other.healthy and not other.down_by_us for other in others),
            healthy_here=place.healthy,
        )

    def _asked(self, name: str, kind: str, *, automatic: bool, beginning: bool) -> bool:
        request = ActionRequest(
            target=name, group=self.places[name].group, mode=Mode.RECOVER, limits=LIMITS, traits=KINDS[kind], kind=kind,
            automatic=automatic, beginning=beginning, acting=not beginning,
        )  # fmt: skip
        return decide(request, self._state(name, kind)).ruling is Ruling.GO

    @rule(name=st.sampled_from(PLACES), kind=KIND)
    def begins(self, name: str, kind: str) -> None:
        """Automation wants to repair a target that has failed."""
        place = self.places[name]
        group = [other for other in self.places.values() if other.group == place.group]
        failed = sum(not other.healthy for other in group)
        if place.healthy:
            return
        if self.braked is None:
            self.braked = must_engage(BRAKE, group=len(group), failed=failed, recent=self.starts, now=self.now)
        if self._asked(name, kind, automatic=True, beginning=True):
            assert not self.stopped and self.braked is None and not self.window
            assert place.ended is None or self.now - place.ended >= LIMITS.cool_down
            place.kind, place.attempts = kind, place.attempts + 1
            place.begun.append(self.now)
            self.starts.append(self.now)

    @rule(name=st.sampled_from(PLACES), kind=KIND)
    def asked_by_hand(self, name: str, kind: str) -> None:
        """A person wants a recovery, of a healthy target perhaps."""
        if self._asked(name, kind, automatic=False, beginning=True):
            assert not self.stopped
            self.places[name].kind = kind

    @rule(name=st.sampled_from(PLACES), helps=st.booleans(), automatic=st.booleans())
    def acts(self, name: str, helps: bool, automatic: bool) -> None:
        """A recovery that runs acts, if it still may, and ends."""
        place = self.places[name]
        if place.kind is None:
            return
        if self._asked(name, place.kind, automatic=automatic, beginning=False):
            assert not self.stopped
            assert not automatic or (self.braked is None and not self.window)
            traits = KINDS[place.kind]
            if traits.failover and automatic:
                assert place.failed_over is None or self.now - place.failed_over >= LIMITS.failover_cool_down
            if traits.restarts or traits.failover:
                serving = [
                    key for key, other in self.places.items()
                    if other.group == place.group and other.healthy and not other.down_by_us
                ]  # fmt: skip
                assert GROUPS[place.group] == 1 or serving != [name], "the last one that serves is taken down"
            if traits.failover:
                place.failed_over = self.now
            place.healthy = helps
        place.kind, place.ended = None, self.now
        if place.healthy:
            place.attempts = 0

    # ------------------------------------------------------------------ what holds at any time

    @invariant()
    def at_most_five_run(self) -> None:
        """Five recoveries in all."""
        assert sum(place.kind is not None for place in self.places.values()) <= 5

    @invariant()
    def at_most_a_fifth_of_a_group_is_under_repair(self) -> None:
        """Or one, in a group of less than ten."""
        for group, size in GROUPS.items():
            busy = sum(place.kind is not None for place in self.places.values() if place.group == group)
            assert busy <= max(1, size // 5)

    @invariant()
    def at_most_three_attempts_in_one_incident(self) -> None:
        """Then people are called."""
        assert all(place.attempts <= LIMITS.attempts for place in self.places.values())


TestAutomation = Automation.TestCase
TestAutomation.settings = settings(max_examples=examples(100), stateful_step_count=40, deadline=None)
