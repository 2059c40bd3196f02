"""Degradation levels against a model that lives tick by tick and knows no due times."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrollintel.core.clock import TimerHandle
from scrollintel.core.config.degradation import DegradationConfig, DegradationLevel
from scrollintel.core.events import Event, LevelChanged
from scrollintel.core.hub import EventHub
from scrollintel.core.states import CircuitState
from scrollintel.core.strategies.degradation import GracefulDegradation
from tests.thoroughness import examples

QUIET = 3
NEVER = 10**9
THRESHOLDS = (0.05, 0.2, 0.5, 0.8)
DEPENDS_ON: dict[str, tuple[str, ...]] = {"disk": (), "index": ("disk",), "search": ("index", "disk")}
NAMES = st.sampled_from(sorted(DEPENDS_ON))
RATES = st.sampled_from([0.0, 0.02, 0.025, 0.05, 0.09, 0.1, 0.2, 0.24, 0.25, 0.39, 0.4, 0.5, 0.79, 0.8, 1.0])


class Clock:
    """A clock in whole ticks."""

    def __init__(self) -> None:
        self.now = 0

    def monotonic(self) -> float:
        return float(self.now)

    def time(self) -> float:
        return float(self.now)

    def sleep(self, seconds: float) -> None:
        raise AssertionError

    async def asleep(self, seconds: float) -> None:
        raise AssertionError

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        raise AssertionError

    def call_later(self, seconds: float, callback: Callable[[], object]) -> TimerHandle | None:
        raise AssertionError


class Log(EventHub):
    """A hub that keeps the level changes."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[LevelChanged] = []

    def emit(self, event: Event) -> None:
        assert isinstance(event, LevelChanged)
        self.events.append(event)


@dataclass
class ModelService:
    """What a service is in the model: a level, the tick that last supported it, and what lasts."""

    automatic: int = 0
    supported: int = 0
    circuit_until: int = -1
    lifts: list[int] = field(default_factory=list)
    manual: int | None = None
    manual_until: int = NEVER

    @property
    def level(self) -> int:
        return self.automatic if self.manual is None else self.manual

    def lasting(self, now: int) -> int:
        """The level that lasting evidence calls for from `now` on."""
        return max([3 if self.circuit_until > now else 0, *self.lifts])

    def evidence(self, level: int, held: int, now: int) -> None:
        if level > self.automatic:
            self.automatic, self.supported = level, now
        elif max(level, held) >= self.automatic:
            self.supported = now

    def tick(self, now: int) -> None:
        """Live from `now - 1` to `now`."""
        if self.lasting(now - 1) >= self.automatic:
            self.supported = now
        elif self.automatic and now - self.supported >= QUIET:
            self.automatic -= 1
            self.supported = now
        if self.manual is not None and now >= self.manual_until:
            self.manual = None


class Model:
    """Three services and who depends on whom."""

    def __init__(self) -> None:
        self.now = 0
        self.services = {name: ModelService() for name in DEPENDS_ON}
        self.trace: dict[str, list[int]] = {name: [0] for name in DEPENDS_ON}

    def spread(self) -> None:
        for name, dependencies in DEPENDS_ON.items():
            service = self.services[name]
            levels = [self.services[other].level for other in dependencies]
            service.lifts = [max(0, level - 2) if level >= 3 else 0 for level in levels]
            service.evidence(service.lasting(self.now), 0, self.now)
            if self.trace[name][-1] != service.level:
                self.trace[name].append(service.level)

    def pass_time(self, ticks: int) -> None:
        for _ in range(ticks):
            self.now += 1
            for service in self.services.values():
                service.tick(self.now)
            self.spread()


class DegradationRules(RuleBasedStateMachine):
    """Random evidence, operators and pauses, applied to both."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.log = Log()
        self.model = Model()
        self.real = GracefulDegradation(clock=self.clock, hub=self.log, history_size=100_000)
        config = DegradationConfig(quiet_period=float(QUIET), latency=1.0)
        for name in reversed(DEPENDS_ON):
            self.real.register_service(name, depends_on=DEPENDS_ON[name], config=config)

    @rule(name=NAMES, rate=RATES, calls=st.sampled_from([9, 10, 500, None]))
    def observe_error_rate(self, name: str, rate: float, calls: int | None) -> None:
        self.real.observe(name, error_rate=rate, calls=calls)
        if calls is None or calls >= 10:
            level = sum(rate >= threshold for threshold in THRESHOLDS)
            held = sum(rate >= threshold / 2 for threshold in THRESHOLDS)
            before = self.model.services[name].automatic
            self.model.services[name].evidence(level, held, self.model.now)
            assert self.model.services[name].automatic == max(before, level), "rises at once, never falls on evidence"
        self.model.spread()

    @rule(name=NAMES, latency=st.sampled_from([0.1, 0.5, 0.99, 1.0, 1.99, 2.0, 60.0]))
    def observe_latency(self, name: str, latency: float) -> None:
        self.real.observe(name, latency=latency)
        self.model.services[name].evidence(
            (latency >= 1.0) + (latency >= 2.0), (latency >= 0.5) + (latency >= 1.0), self.model.now
        )
        self.model.spread()

    @rule(name=NAMES, state=st.sampled_from(CircuitState), wait=st.one_of(st.none(), st.integers(0, 9)))
    def observe_circuit(self, name: str, state: CircuitState, wait: int | None) -> None:
        self.real.observe(name, circuit_state=state, retry_after=wait)
        service = self.model.services[name]
        is_open = state in (CircuitState.OPEN, CircuitState.ISOLATED)
        service.circuit_until = -1 if not is_open else NEVER if wait is None else self.model.now + wait
        self.model.spread()

    @rule(name=NAMES, level=st.sampled_from(DegradationLevel), expires=st.one_of(st.none(), st.integers(1, 12)))
    def set_level(self, name: str, level: DegradationLevel, expires: int | None) -> None:
        self.real.set_level(name, level, "by hand", expires_after=expires)
        service = self.model.services[name]
        service.manual = int(level)
        service.manual_until = NEVER if expires is None else self.model.now + expires
        self.model.spread()

    @rule(name=NAMES)
    def restore(self, name: str) -> None:
        self.real.restore(name)
        service = self.model.services[name]
        if service.manual is not None:
            service.manual = None
        elif service.lasting(self.model.now) < service.automatic:
            service.automatic, service.supported = service.lasting(self.model.now), self.model.now
        self.model.spread()

    @rule(ticks=st.integers(1, 15))
    def pass_time(self, ticks: int) -> None:
        self.clock.now += ticks
        self.model.pass_time(ticks)

    @rule(name=NAMES)
    def read(self, name: str) -> None:
        """Look at one service: looking must not change what is seen later."""
        assert self.real.level(name) == self.model.services[name].level
        snapshot = self.real.snapshot(name)
        assert snapshot.automatic_level == self.model.services[name].automatic
        assert snapshot.manual is (self.model.services[name].manual is not None)

    @rule()
    def evaluate(self) -> None:
        """Evaluate with nothing to pull: only time counts."""
        self.real.evaluate()

    @invariant()
    def events_are_an_unbroken_chain_in_order(self) -> None:
        chains: dict[str, int] = dict.fromkeys(DEPENDS_ON, 0)
        moment = 0.0
        for event in self.log.events:
            assert event.at >= moment and event.old == chains[event.policy] and event.new != event.old
            moment = event.at
            chains[event.policy] = event.new

    @invariant()
    def automatic_falls_are_bounded_by_time(self) -> None:
        for name in DEPENDS_ON:
            falls = [
                e for e in self.log.events if e.policy == name and "nothing called for" in e.reason and e.automatic
            ]
            stepwise = [event for event in falls if "expired" not in event.reason]
            assert all(event.old - event.new == 1 for event in stepwise)
            assert all(b.at - a.at >= QUIET for a, b in itertools.pairwise(stepwise))

    def teardown(self) -> None:
        """Compare the whole course of each service once everything due has been applied."""
        for name, trace in self.model.trace.items():
            assert self.real.level(name) == self.model.services[name].level
            seen = [0, *(int(event.new) for event in self.log.events if event.policy == name)]
            assert seen == trace


DegradationRules.TestCase.settings = settings(
    max_examples=examples(200), stateful_step_count=40, deadline=None, derandomize=True, print_blob=True
)
TestDegradationRules = DegradationRules.TestCase
