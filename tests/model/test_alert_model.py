"""Whatever comes and goes, is silenced, or restarts: people hear of each alert once, and always that it is over."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from scrollintel.control.alert_machine import Alert, AlertMachine, Message
from scrollintel.control.alerts import AlertName, AlertRules, Condition, Labels
from tests.thoroughness import examples

RULES = AlertRules()
HOLD = 300.0
LABELS = [
    *(Labels(AlertName.CIRCUIT_OPEN_TOO_LONG, service, target) for service in ("a", "b") for target in ("x", "y")),
    Labels(AlertName.ERROR_BUDGET_BURN, "a", None, "1h"),
    Labels(AlertName.PLATFORM_DEGRADED, None, "storage"),
]
LABEL = st.sampled_from(LABELS)
TICK = 1.0


def condition(labels: Labels, severity: int = 2) -> Condition:
    """Return what is true while the thing of these labels is wrong."""
    holds = labels.name is AlertName.CIRCUIT_OPEN_TOO_LONG
    return Condition(labels=labels, severity=severity, summary="it is wrong", hold=HOLD if holds else 0.0)


class People(RuleBasedStateMachine):
    """A world in which things go wrong, and people who keep what they are told."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.machine = AlertMachine(RULES)
        self.wrong: set[Labels] = set()
        self.since: dict[Labels, float] = {}  # when each was first seen to be wrong, and has not been seen to be right
        self.silent: set[Labels] = set()
        self.blind: set[AlertName] = set()
        self.off = False
        self.severity = dict.fromkeys(LABELS, 2)  # how bad each is when it is wrong
        self.seen = dict(self.severity)  # how bad it was when it was seen last
        self.ripe: set[Labels] = set()  # what has been wrong for long enough, and is not known to be over
        self.known: dict[Labels, float] = {}  # what people think fires, and since when
        self.heard: dict[Labels, int] = {}  # how bad they think that it is
        self.unheard: dict[Labels, float] = {}  # since when it is worse than they think
        self.cut: set[Labels] = set()  # what is not followed any more because alerts were switched off
        self.paged: dict[str, int] = {}  # what a pager thinks fires, and how bad it was told to be
        self.sent: list[tuple[float, str]] = []

    # ------------------------------------------------------------------ the world

    @rule(labels=LABEL)
    def goes_wrong(self, labels: Labels) -> None:
        """Something goes wrong."""
        self.wrong.add(labels)

    @rule(labels=LABEL)
    def is_right_again(self, labels: Labels) -> None:
        """It is right again."""
        self.wrong.discard(labels)

    @rule(number=st.integers(0, 5), severity=st.integers(1, 4), seconds=st.sampled_from([0, 1, 11]))
    def becomes_as_bad(self, number: int, severity: int, seconds: int) -> None:
        """What people know of gets worse or better for a while, and without any such thing what is not wrong yet."""
        known = sorted(self.known, key=repr) or LABELS
        self.severity[known[number % len(known)]] = severity
        for _ in range(seconds):
            self.look()

    @rule(seconds=st.sampled_from([0, 1, 9, 11, 61]), restarts=st.booleans())
    def are_switched_off(self, seconds: int, restarts: bool) -> None:
        """Somebody switches alerts off in the configuration for a while, over a restart or not."""
        self.off = True
        self.machine.rules = replace(RULES, enabled=False)
        if restarts:
            self.restarts()
        for _ in range(seconds):
            self.look()
        self.off = False
        self.machine.rules = RULES

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
            (
                Alert(
                    replace(alert.condition, severity=alert.told_severity),
                    alert.since,
                    alert.fired,
                    told=alert.told,
                    told_severity=alert.told_severity,
                ),
                self.machine.group_severity(alert),
            )
            for alert in kept.values()
        ]
        self.machine = AlertMachine(self.machine.rules)
        self.machine.restore(self.now, told)
        self.seen.update(self.heard)
        self.since, self.unheard, self.cut = {}, {}, set()

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
                self.wrong.discard(labels)
            else:
                self.wrong.add(labels)
            for _ in range(each):
                self.look()

    def look(self) -> None:
        """Look once, and tell people."""
        self.now += TICK
        seen = [
            condition(labels, self.severity[labels])
            for labels in LABELS
            if labels in self.wrong and labels.name not in self.blind and not self.off
        ]
        self.seen.update((item.labels, item.severity) for item in seen)
        there = {item.labels: self.since.get(item.labels, self.now) for item in seen}
        kept = {labels: at for labels, at in self.since.items() if labels.name in self.blind}
        self.since = {} if self.off else {**kept, **there}
        self.ripe = (
            set()
            if self.off
            else self.ripe | {item.labels for item in seen if self.now - there[item.labels] >= item.hold}
        )
        silenced = dict.fromkeys(self.silent, "sil")
        messages = self.machine.look(self.now, seen, silenced.get, self.blind)
        for event, alert in self.machine.news:
            assert (event == "switched_off") == self.off
            assert event != "resolved" or alert.labels.name not in self.blind, "over, though nobody can tell"
            (self.cut.add if self.off else self.cut.discard)(alert.labels)
        for message in messages:
            self.hear(message)
        for labels in LABELS:
            if labels in self.silent or self.seen[labels] >= self.heard.get(labels, 1):
                self.unheard.pop(labels, None)
        for labels, severity in self.heard.items():
            if labels not in self.silent and self.seen[labels] < severity:
                since = self.unheard.setdefault(labels, self.now)
                assert self.now - since < RULES.group_window, f"people do not hear that it is worse: {labels}"

    # ------------------------------------------------------------------ what people hear

    def hear(self, message: Message) -> None:
        """Take one message; everything that must never be told is found here."""
        assert message.begun or message.worse or message.still or message.resolved
        begun, worse, still, over = ({alert.labels for alert in part} for part in _parts(message))
        assert len(begun | worse | still | over) == sum(map(len, _parts(message)))
        for labels in begun:
            assert labels not in self.known, f"told twice without an end between: {labels}"
            assert labels not in self.silent, f"told although silenced: {labels}"
            assert labels in self.ripe, f"told too early: {labels}"
            self.known[labels] = self.now
        for labels in still | worse:
            assert labels in self.known and labels not in self.silent
        for alert in (*message.begun, *message.worse, *message.still):
            labels, severity = alert.labels, alert.condition.severity
            assert severity == self.seen[labels]
            assert (labels in worse) == (severity < self.heard.get(labels, 1)), "worse than what people know, or not"
            self.heard[labels] = severity
        for alert in message.resolved:
            labels = alert.labels
            self.ripe.discard(labels)
            assert self.known.pop(labels, None) is not None, f"over, and nobody knew of it: {labels}"
            assert alert.off == (labels in self.cut), f"told to be over while it holds, or the other way: {labels}"
            del self.heard[labels]
        group = message.group
        assert all(labels.group == group for labels in begun | worse | still | over)
        assert message.ends == (not any(labels.group == group for labels in self.known))
        if message.ends:
            worst = self.paged.pop(group)
            assert message.severity <= worst, "a channel that heard of it does not hear that it is over"
        else:
            self.paged[group] = min(message.severity, self.paged.get(group, 4))
        if not begun and not worse and not over:  # a reminder
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
        assert {alert.labels: alert.told_severity for alert in self.machine.told().values()} == self.heard
        assert set(self.known) == set(self.heard)

    def teardown(self) -> None:
        """In the end everything is right and seen, whatever is silenced: people hear that all of it is over."""
        self.wrong, self.blind = set(), set()
        for _ in range(int(1800 + 2 * RULES.group_window) + 5):
            self.look()
        assert self.known == {} and self.paged == {} and self.machine.alerts == {}


def _parts(message: Message) -> tuple[tuple[Alert, ...], ...]:
    return message.begun, message.worse, message.still, message.resolved


TestPeople = People.TestCase
TestPeople.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)


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


def test_alert_that_worsens_is_told_after_the_window_and_a_lesser_one_is_not() -> None:
    """3 is told as new, 1 as worse; 2 is no news, nor is 1 again, which people know; the reminder tells 2."""
    machine, told = AlertMachine(replace(RULES, repeat_interval=600.0)), []
    course = {0: 3, 60: 1, 120: 2, 180: 1, 240: 2}
    severity = 3
    for second in range(700):
        severity = course.get(second, severity)
        for message in machine.look(float(second), [condition(LABELS[-1], severity)]):
            told.append((second, message.severity, *(len(part) for part in _parts(message))))
    assert told == [(10, 3, 1, 0, 0, 0), (70, 1, 0, 1, 0, 0), (670, 2, 0, 0, 1, 0)]


def test_alert_that_worsens_while_silenced_is_told_when_the_silence_ends() -> None:
    """As a new one would be."""
    machine, told = AlertMachine(RULES), []
    for second in range(200):
        hush = 50 <= second < 150
        found = machine.look(
            float(second),
            [condition(LABELS[-1], 3 if second < 100 else 1)],
            lambda labels, hush=hush: "sil" if hush else None,
        )
        told += [(second, len(message.worse)) for message in found]
    assert told == [(10, 0), (160, 1)]


def test_alerts_that_are_switched_off_end_without_being_called_over() -> None:
    """At once but for the window, whatever cannot be judged; one that had ended before is over."""
    machine, blind = AlertMachine(replace(RULES, settle=0.0)), {AlertName.ERROR_BUDGET_BURN}
    burn, platform, circuit = condition(LABELS[4]), condition(LABELS[-1]), condition(LABELS[0])
    for second in range(400):
        machine.look(float(second), [burn, platform, circuit])
    machine.look(400.0, [burn, platform])
    machine.rules = replace(RULES, enabled=False)
    messages = [message for second in range(401, 430) for message in machine.look(float(second), [], blind=blind)]
    ended = {alert.labels: alert.off for message in messages for alert in message.resolved}
    assert ended == {burn.labels: True, platform.labels: True, circuit.labels: False}
    assert all(message.ends for message in messages)
    assert machine.alerts == {}


def test_alert_that_is_followed_already_is_compared_with_what_people_were_told_before() -> None:
    """What is known of the life before comes late when the database does; only what has become worse is told."""
    machine, lesser, same = AlertMachine(RULES), LABELS[-1], LABELS[4]
    found = [condition(lesser, 1), condition(same, 2)]
    machine.look(0.0, found)
    told = [
        (Alert(condition(labels, severity), -90.0, -60.0, told=-50.0, told_severity=severity), severity)
        for labels, severity in ((lesser, 3), (same, 2))
    ]
    machine.restore(5.0, told)
    messages = [message for second in range(6, 40) for message in machine.look(float(second), found)]
    assert [(message.severity, [alert.labels for alert in message.worse]) for message in messages] == [(1, [lesser])]
