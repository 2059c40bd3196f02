"""Whatever comes and goes, is silenced, or restarts: people hear of each alert once, and always that it is over."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrollintel.control.alert_machine import Alert, AlertMachine, Message
from scrollintel.control.alerts import AlertName, AlertRules, Condition, Labels

RULES = AlertRules()
HOLD = 300.0
LABELS = [
    *(Labels(AlertName.CIRCUIT_OPEN_TOO_LONG, service, target) for service in ("a", "b") for target in ("x", "y")),
    Labels(AlertName.ERROR_BUDGET_BURN, "a", None, "1h"),
    Labels(AlertName.PLATFORM_DEGRADED, None, "storage"),
]
LABEL = st.sampled_from(LABELS)
TICK = 1.0


def condition(labels: Labels) -> Condition:
    """Return what is true while the thing of these labels is wrong."""
    holds = labels.name is AlertName.CIRCUIT_OPEN_TOO_LONG
    severity = {"x": 2, "y": 3}.get(labels.target or "", 1)
    return Condition(labels=labels, severity=severity, summary="it is wrong", hold=HOLD if holds else 0.0)


class People(RuleBasedStateMachine):
    """A world in which things go wrong, and people who keep what they are told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.machine = AlertMachine(RULES)
        self.wrong: dict[Labels, float] = {}
        self.silent: set[Labels] = set()
        self.blind: set[AlertName] = set()
        self.ripe: set[Labels] = set()  # what has been wrong for long enough, and is not known to be over
        self.known: dict[Labels, float] = {}  # what people think fires, and since when
        self.paged: dict[str, int] = {}  # what a pager thinks fires, and how bad it was told to be
        self.sent: list[tuple[float, str]] = []

    # ------------------------------------------------------------------ the world

    @rule(labels=LABEL)
    def goes_wrong(self, labels: Labels) -> None:
        """Something goes wrong."""
        self.wrong.setdefault(labels, self.now)

    @rule(labels=LABEL)
    def is_right_again(self, labels: Labels) -> None:
        """It is right again."""
        self.wrong.pop(labels, None)

    @rule(labels=LABEL)
    def is_silenced_or_not(self, labels: Labels) -> None:
        """Somebody silences an alert, or ends that."""
        self.silent ^= {labels}

    @rule(name=st.sampled_from(sorted({labels.name for labels in LABELS})))
    def is_seen_or_not(self, name: AlertName) -> None:
        """Nobody can tell any more whether it is so, or can again."""
        self.blind ^= {name}

    @rule()
    def restarts(self) -> None:
        """The process restarts, and knows only what it has kept of what it told."""
        kept = self.machine.told()
        told = [
            (Alert(alert.condition, alert.since, alert.fired, told=alert.told), self.machine.group_severity(alert))
            for alert in kept.values()
        ]
        self.machine = AlertMachine(RULES)
        self.machine.restore(self.now, told)

    @rule(seconds=st.sampled_from([1, 2, 9, 11, 59, 61, 299, 301]))
    def passes(self, seconds: int) -> None:
        """Time passes, and somebody looks each second."""
        for _ in range(seconds):
            self.look()

    @rule(labels=LABEL, times=st.integers(2, 30), each=st.integers(1, 90))
    def flaps(self, labels: Labels, times: int, each: int) -> None:
        """Something is wrong and right again and again."""
        for number in range(times):
            if number % 2:
                self.wrong.pop(labels, None)
            else:
                self.wrong.setdefault(labels, self.now)
            for _ in range(each):
                self.look()

    def look(self) -> None:
        """Look once, and tell people."""
        self.now += TICK
        seen = [condition(labels) for labels in self.wrong if labels.name not in self.blind]
        self.ripe |= {item.labels for item in seen if self.now - self.wrong[item.labels] >= item.hold}
        silenced = dict.fromkeys(self.silent, "sil")
        for message in self.machine.look(self.now, seen, silenced.get, self.blind):
            self.hear(message)
        ended = {alert.labels.name for event, alert in self.machine.news if event == "resolved"}
        assert not ended & self.blind, "over, though nobody can tell"

    # ------------------------------------------------------------------ what people hear

    def hear(self, message: Message) -> None:
        """Take one message; everything that must never be told is found here."""
        assert message.begun or message.still or message.resolved
        begun, still, over = ({alert.labels for alert in part} for part in _parts(message))
        assert not begun & over and not begun & still and not still & over
        for labels in begun:
            assert labels not in self.known, f"told twice without an end between: {labels}"
            assert labels not in self.silent, f"told although silenced: {labels}"
            assert labels in self.ripe, f"told too early: {labels}"
            self.known[labels] = self.now
        for labels in still:
            assert labels in self.known and labels not in self.silent
        for labels in over:
            self.ripe.discard(labels)
            assert self.known.pop(labels, None) is not None, f"over, and nobody knew of it: {labels}"
        group = message.group
        assert all(labels.group == group for labels in begun | still | over)
        assert message.ends == (not any(labels.group == group for labels in self.known))
        if message.ends:
            worst = self.paged.pop(group)
            assert message.severity <= worst, "a channel that heard of it does not hear that it is over"
        else:
            self.paged[group] = min(message.severity, self.paged.get(group, 4))
        if not begun and not over:  # a reminder
            last = max(at for at, name in self.sent if name == group)
            assert self.now - last >= RULES.repeat_interval
        self.sent.append((self.now, group))

    # ------------------------------------------------------------------ what is always true

    @invariant()
    def no_stream_of_messages(self) -> None:
        """Of one group there are never two messages within its window."""
        for group in {name for _, name in self.sent}:
            times = [at for at, name in self.sent if name == group]
            assert all(later - earlier >= RULES.group_window for earlier, later in pairwise(times))

    @invariant()
    def what_people_know_is_kept(self) -> None:
        """What is kept over a restart is exactly what people know of."""
        assert {alert.labels for alert in self.machine.told().values()} == set(self.known)

    def teardown(self) -> None:
        """In the end everything is right and seen, whatever is silenced: people hear that all of it is over."""
        self.wrong, self.blind = {}, set()
        for _ in range(int(1800 + 2 * RULES.group_window) + 5):
            self.look()
        assert self.known == {} and self.paged == {} and self.machine.alerts == {}


def _parts(message: Message) -> tuple[tuple[Alert, ...], ...]:
    return message.begun, message.still, message.resolved


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_alert_that_flaps_for_a_day_is_told_a_bounded_number_of_times() -> None:
    """Wrong for 5 s and right for 70 s, all day long: a handful of messages, not a thousand."""
    machine, messages, labels = AlertMachine(RULES), 0, LABELS[-1]
    for second in range(86_400):
        is_wrong = second % 75 < 5
        messages += len(machine.look(float(second), [condition(labels)] if is_wrong else []))
    assert 2 <= messages <= 12
    assert machine.alerts, "it counts as firing while it flaps"


def test_reminder_comes_after_the_repeat_interval_and_not_while_silenced() -> None:
    """One message at the beginning, one after each interval, none of a silenced alert."""
    machine, silent, times = AlertMachine(RULES), False, []
    for second in range(0, 50_000, 5):
        silent = 14_000 < second < 30_000
        found = machine.look(
            float(second), [condition(LABELS[-1])], lambda labels, hush=silent: "sil" if hush else None
        )
        times += [second] * len(found)
    assert times == [10, 30_000, 44_400]


def test_worst_alerts_are_followed_when_there_are_too_many() -> None:
    """The number of those that are left out is told."""
    machine = AlertMachine(RULES)
    many = [
        Condition(labels=Labels(AlertName.REPLICA_STALE, "a", str(number)), severity=3, summary="-")
        for number in range(2_500)
    ]
    machine.look(0.0, [*many, condition(LABELS[-1])])
    assert (len(machine.alerts), machine.left_out) == (2_000, 501)
    assert LABELS[-1].fingerprint in machine.alerts
