"""A server under four times its load, in virtual time: who is served, who is not, and for how long."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from scrollintel import AdaptiveLimitConfig, CallRejected, Criticality, EventHub, SheddingChanged, ShedError
from scrollintel.core.config.admission import AdmissionConfig
from scrollintel.core.context import fairness_key
from scrollintel.core.strategies.admission import Admission
from scrollintel.core.strategies.gate import Wait
from scrollintel.testing import ManualClock

SERVICE = 0.1
SLOTS = 10
"""Ten slots of a tenth of a second serve 100 requests a second."""
USERS = [f"user {number}" for number in range(200)]
KEYS = {user: fairness_key(user) for user in USERS}
Seen = dict[tuple[Criticality, str], list[bool]]


class Server:
    """Requests inside and in line, moved on by hand."""

    def __init__(self, admission: Admission, clock: ManualClock) -> None:
        self.admission = admission
        self.clock = clock
        self.inside: list[tuple[float, Any]] = []
        self.line: list[tuple[float, Wait, Callable[[bool], None]]] = []

    def settle(self) -> None:
        """End what is over, and begin what has its turn."""
        while True:
            now = self.clock.monotonic()
            if self.inside and self.inside[0][0] <= now:
                self.admission.leave(self.inside.pop(0)[1])
            for entry in self.line:
                until, wait, tell = entry
                assert wait.ticket is not None
                if wait.ticket.granted or wait.ticket.gone or until <= now:
                    self.line.remove(entry)
                    try:
                        self.begin(self.admission.resume(None, wait))
                    except ShedError:
                        tell(False)
                    else:
                        tell(True)
                    break
            else:
                if not self.inside or self.inside[0][0] > now:
                    return

    def begin(self, permit: Any) -> None:
        """Serve a request."""
        self.inside.append((self.clock.monotonic() + SERVICE, permit))

    def come(self, criticality: Criticality, user: str, tell: Callable[[bool], None]) -> None:
        """Let a request come; `tell` hears whether it was served."""
        try:
            answer = self.admission.enter(criticality, KEYS[user])
        except ShedError:
            tell(False)
            return
        if isinstance(answer, Wait):
            self.line.append((self.clock.monotonic() + (answer.limit or 0.0), answer, tell))
        else:
            self.begin(answer)
            tell(True)


def run(
    admission: Admission, clock: ManualClock, seconds: float, rate: float, choose: Callable[[], tuple[Criticality, str]]
) -> Seen:
    """Send requests at `rate` for so long, and return what came of them, by class and user."""
    seen: Seen = defaultdict(list)
    server = Server(admission, clock)
    for _ in range(int(seconds * rate)):
        clock.advance(1.0 / rate)
        server.settle()
        criticality, user = choose()
        server.come(criticality, user, seen[criticality, user].append)
    while server.inside or server.line:
        clock.advance(0.01)
        server.settle()
    return seen


def share(seen: Seen, criticality: Criticality) -> float:
    """Return the share of a class that was served."""
    results = [each for (of, _), results in seen.items() if of is criticality for each in results]
    return sum(results) / len(results)


@pytest.fixture
def admission(clock: ManualClock, hub: EventHub, seed: int) -> Admission:
    """Return the admission of ten slots."""
    return Admission(
        AdmissionConfig("shop", max_concurrent=SLOTS), clock=clock, hub=hub, source=random.Random(seed).random
    )


def test_critical_requests_are_served_while_sheddable_ones_are_shed(
    admission: Admission, clock: ManualClock, seed: int
) -> None:
    """400 requests a second on 100: of the 80 critical ones nearly all are served, of the sheddable ones few."""
    draw = random.Random(seed)
    classes = [Criticality.CRITICAL] * 2 + [Criticality.SHEDDABLE_PLUS] * 3 + [Criticality.SHEDDABLE] * 5

    def anybody() -> tuple[Criticality, str]:
        return draw.choice(classes), draw.choice(USERS)

    run(admission, clock, 2.0, 400.0, anybody)
    seen = run(admission, clock, 20.0, 400.0, anybody)
    assert share(seen, Criticality.CRITICAL) > 0.98
    assert share(seen, Criticality.SHEDDABLE) < 0.02
    served = sum(sum(results) for results in seen.values())
    assert served > 0.85 * 100 * 20, "shedding must not cost more than it has to"


def test_users_of_one_class_are_shed_consistently_and_not_for_ever(
    admission: Admission, clock: ManualClock, seed: int
) -> None:
    """Within an hour the same users are served; in the next hour they are others."""
    draw = random.Random(seed)

    def anybody() -> tuple[Criticality, str]:
        return Criticality.CRITICAL, draw.choice(USERS)

    hours = []
    for _ in range(12):
        run(admission, clock, 5.0, 200.0, anybody)
        seen = run(admission, clock, 20.0, 200.0, anybody)
        shares = {user: sum(results) / len(results) for (_, user), results in seen.items()}
        decided = sum(part < 0.1 or part > 0.9 for part in shares.values())
        assert decided > 0.7 * len(USERS), "most users are either served or not, instead of half of the time"
        hours.append({user for user, part in shares.items() if part > 0.5})
        clock.advance(3600.0)
    assert all(0.3 * len(USERS) < len(served) < 0.7 * len(USERS) for served in hours)
    unlucky = set(USERS) - set().union(*hours)
    assert len(unlucky) <= 3, "an hour later everybody has a new chance"


def test_shedding_ends_with_the_overload(admission: Admission, clock: ManualClock, seed: int) -> None:
    """Two periods after the load is back to normal nobody is refused."""
    draw = random.Random(seed)

    def anybody() -> tuple[Criticality, str]:
        return draw.choice(list(Criticality)), draw.choice(USERS)

    run(admission, clock, 5.0, 500.0, anybody)
    run(admission, clock, 2.0, 50.0, anybody)
    seen = run(admission, clock, 5.0, 50.0, anybody)
    assert all(all(results) for results in seen.values())
    assert admission.figures().threshold == 0


def test_requests_that_waited_too_long_before_they_came_start_the_shedding(
    admission: Admission, clock: ManualClock
) -> None:
    """A queue in front of the server is an overload although slots are free."""
    for number in range(200):
        clock.advance(0.02)
        try:
            admission.leave(admission.enter(Criticality.SHEDDABLE, KEYS[USERS[number]], waited=0.5))
        except ShedError:
            break
    else:
        pytest.fail("nobody was refused")


def test_waits_in_front_that_are_no_queue_shed_nothing_for_long(
    admission: Admission, clock: ManualClock, seed: int
) -> None:
    """A proxy's clock that is behind makes every request look late, and a forged or slow one only itself."""

    def served(waits: Callable[[int], float | None]) -> float:
        """Return the share of requests that an idle server lets in, in the second half of 40 periods."""
        found = []
        for number in range(2000):
            clock.advance(0.02)
            try:
                admission.leave(admission.enter(Criticality.CRITICAL, None, waits(number)))
            except ShedError:
                found.append(False)
            else:
                found.append(True)
        return sum(found[1000:]) / 1000

    assert served(lambda number: 0.0 if number % 50 else 60.0) == 1.0
    assert served(lambda number: None if number % 2 else 0.0) == 1.0
    assert served(lambda number: 0.03) == 1.0
    assert served(lambda number: 0.2) == 1.0
    assert served(lambda number: 3.0) < 0.1, "no clock that is looked after is so far behind"


def test_queue_in_front_that_grows_is_seen_beside_a_clock_that_is_behind(
    admission: Admission, clock: ManualClock
) -> None:
    """What comes on top of the difference of the clocks is a queue."""
    refused = 0
    for number in range(3000):
        clock.advance(0.02)
        try:
            admission.leave(admission.enter(Criticality.CRITICAL, None, 0.1 if number < 2000 else 0.15))
        except ShedError:
            refused += number >= 2000
        if number == 2000:
            assert admission.figures().threshold == 0
    assert refused > 0


def test_refused_requests_are_told_different_whole_seconds(
    admission: Admission, clock: ManualClock, hub: EventHub
) -> None:
    """Those that are refused together are not to come back together; each refusal is a fact."""
    told: list[Any] = []
    hub.subscribe(told.append, kinds=[CallRejected])
    waits: Counter[float | None] = Counter()
    for _ in range(2 * SLOTS):  # slots and places in line
        admission.enter(Criticality.CRITICAL_PLUS)
    for _ in range(300):
        with pytest.raises(ShedError) as caught:
            admission.enter(Criticality.CRITICAL_PLUS)
        waits[caught.value.retry_after] += 1
    assert set(waits) == {1.0, 2.0, 3.0}
    hub.flush()
    assert {(event.policy, event.layer) for event in told} == {("shop", "admission")}
    figures = admission.figures()
    assert (figures.running, figures.waiting, figures.served, figures.shed) == (
        SLOTS,
        SLOTS,
        (SLOTS, 0, 0, 0),
        (300, 0, 0, 0),
    )


def test_shedding_is_told_when_it_changes(admission: Admission, clock: ManualClock, hub: EventHub) -> None:
    """An operator hears from which level on requests are served."""
    told: list[Any] = []
    hub.subscribe(told.append, kinds=[SheddingChanged])
    run(admission, clock, 3.0, 500.0, lambda: (Criticality.SHEDDABLE, USERS[0]))
    hub.flush()
    assert told and told[0].old == 0 and told[0].new > 0 and told[0].levels == 500


def test_server_with_an_adaptive_limit_runs_as_many_requests_as_it_found_out(
    clock: ManualClock, hub: EventHub, seed: int
) -> None:
    """The limit begins where its configuration says, and shrinks when requests take longer than they used to."""
    limit = AdaptiveLimitConfig(initial_limit=8)
    admission = Admission(AdmissionConfig("shop", limit=limit), clock=clock, hub=hub, source=random.Random(seed).random)
    assert admission.figures().limit == 8

    def serve(seconds: float, times: int) -> None:
        for _ in range(times):
            permits = [admission.enter(Criticality.CRITICAL_PLUS) for _ in range(min(6, admission.figures().limit))]
            clock.advance(seconds)
            for permit in permits:
                admission.leave(permit)

    serve(0.01, 300)
    found = admission.figures().limit
    assert found >= 8
    serve(0.5, 4)
    assert admission.figures().limit < found
