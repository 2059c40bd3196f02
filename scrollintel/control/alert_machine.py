"""Rules of alerts: pending, firing, resolved; grouped, silenced, repeated; told once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field

from .alerts import AlertName, AlertRules, Condition, Labels

MAX_ALERTS = 2_000
"""Alerts that are followed at once, the most severe first; what there is beyond them is counted. Those of the control
plane itself are few, and always followed."""
RELAPSE = 3600.0
"""Seconds after a resolution in which the same alert counts as a relapse."""
LONGEST_SETTLE = 1800.0
MAX_REMEMBERED = 10_000
"""Resolved alerts that are remembered for their relapses."""


@dataclass(slots=True)
class Alert:
    """One alert that is pending (`fired` is None) or fires.

    Attributes:
        condition: As it was true last.
        since: Monotonic time since which it is true.
        fired: When it fired, or None.
        gone: Since when it is not true any more although it still fires, or None.
        settle: Seconds after `gone` at which it is resolved.
        told: When people were told of it last, or None.
        told_severity: How severe it was then; 4 when they were not told.
        muted: Why nobody is told, or None.
        off: Whether it has ended because alerts were switched off, and not because its cause has gone.
    """

    condition: Condition
    since: float
    fired: float | None = None
    gone: float | None = None
    settle: float = 0.0
    told: float | None = None
    told_severity: int = 4
    muted: str | None = None
    off: bool = False

    @property
    def labels(self) -> Labels:
        """What tells it apart."""
        return self.condition.labels


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told of one group.

    Attributes:
        group: `service:` and a name, or `platform`.
        service: The name, or None.
        begun: Alerts that they hear of for the first time since each was resolved.
        worse: Alerts that they know of and that have become more severe than they were told.
        still: Others that they know of and that still fire.
        resolved: Alerts that they know of and that are over or, where they are `off`, not followed any more.
        severity: The worst of all these; of a message that ends the group the worst that was told since it began.
        ends: Whether nothing that people know of is left.
    """

    group: str
    service: str | None
    begun: tuple[Alert, ...]
    worse: tuple[Alert, ...]
    still: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    severity: int
    ends: bool


@dataclass(slots=True)
class _Group:
    waits_since: float | None = None
    last: float | None = None  # when the last message was sent
    worst: int = 4
    resolved: dict[str, Alert] = field(default_factory=dict)


class AlertMachine:
    """Pure and not thread-safe. Times are seconds on any monotonic scale.

    Arguments:
        rules: How alerts are told; may be replaced at any time.
    """

    def __init__(self, rules: AlertRules) -> None:
        self.rules = rules
        self.alerts: dict[str, Alert] = {}
        self.left_out = 0
        """Conditions of the last look that were too many."""
        self.news: list[tuple[str, Alert]] = []
        """What the last look has changed: "firing", "resolved" or "switched_off", and the alert."""
        self._groups: dict[str, _Group] = {}
        self._past: OrderedDict[str, tuple[float, float]] = OrderedDict()  # fingerprint → when it ended, its settle

    def look(
        self,
        now: float,
        conditions: Iterable[Condition],
        silenced: Callable[[Labels], str | None] = lambda labels: None,
        blind: Collection[AlertName] = (),
    ) -> list[Message]:
        """Take what is true now, and return what people are to be told now.

        While the rules are not enabled nothing counts as true, and every alert ends at once, as switched off.

        Arguments:
            now: Seconds; never less than the time before.
            conditions: Everything that is true.
            silenced: Gives what silences an alert, or None.
            blind: Alerts that cannot be judged now: they stay as they are.
        """
        self.news = []
        is_on = self.rules.enabled
        true = self._take(now, conditions if is_on else ())
        for fingerprint, alert in list(self.alerts.items()):
            if not is_on:
                self._switch_off(fingerprint, alert)
            elif fingerprint in true:
                self._hold(now, fingerprint, alert)
            elif alert.labels.name not in blind:
                self._let_go(now, fingerprint, alert)
            alert.muted = silenced(alert.labels) or alert.condition.muted
        self._forget(now)
        return list(self._messages(now))

    def restore(self, now: float, told: Iterable[tuple[Alert, int]]) -> None:
        """Take over what people were told before a restart, each with the worst that was told of its group.

        An alert that is followed already stays as it is, but counts as told.
        """
        for alert, worst in told:
            fingerprint = alert.labels.fingerprint
            known = self.alerts.setdefault(fingerprint, alert)
            known.told, known.told_severity = alert.told, alert.told_severity
            if known.fired is None:
                known.fired = now
            known.settle = max(known.settle, self.rules.settle)
            group = self._groups.setdefault(alert.labels.group, _Group())
            group.worst = min(group.worst, worst)
            if alert.told is not None:
                group.last = alert.told if group.last is None else max(group.last, alert.told)

    def told(self) -> dict[str, Alert]:
        """Return the alerts that people know of and of which they have not heard that they are over."""
        known = {name: alert for name, alert in self.alerts.items() if alert.told is not None}
        for group in self._groups.values():
            known.update(group.resolved)
        return known

    def group_severity(self, alert: Alert) -> int:
        """Return the worst that was told of the group of an alert since that began."""
        group = self._groups.get(alert.labels.group)
        return 4 if group is None else group.worst

    # ------------------------------------------------------------------ single alerts

    def _take(self, now: float, conditions: Iterable[Condition]) -> set[str]:
        true: set[str] = set()
        self.left_out = 0
        for condition in sorted(conditions, key=lambda item: item.severity):
            fingerprint = condition.labels.fingerprint
            alert = self.alerts.get(fingerprint)
            if alert is not None:
                alert.condition = condition
            elif len(self.alerts) < MAX_ALERTS or condition.labels.service is None:
                self.alerts[fingerprint] = Alert(condition, now - max(0.0, condition.age))
            else:
                self.left_out += 1
                continue
            true.add(fingerprint)
        return true

    def _hold(self, now: float, fingerprint: str, alert: Alert) -> None:
        alert.gone = None
        if alert.fired is not None or now - alert.since < alert.condition.hold:
            return
        alert.fired = now
        _, settle = self._past.pop(fingerprint, (now, 0.0))
        alert.settle = min(max(2.0 * settle, self.rules.settle), max(LONGEST_SETTLE, self.rules.settle))
        self.news.append(("firing", alert))
        unsaid = self._groups.get(alert.labels.group)
        resolved = None if unsaid is None else unsaid.resolved.pop(fingerprint, None)
        if resolved is not None:  # people have not heard that it was over
            alert.told, alert.told_severity = resolved.told, resolved.told_severity

    def _let_go(self, now: float, fingerprint: str, alert: Alert) -> None:
        if alert.fired is None:
            del self.alerts[fingerprint]
            return
        if alert.gone is None:
            alert.gone = now
        if now - alert.gone < alert.settle:
            return
        self._past[fingerprint] = (now, alert.settle)
        self._end("resolved", fingerprint, alert)

    def _switch_off(self, fingerprint: str, alert: Alert) -> None:
        alert.off = True
        if alert.fired is None:
            del self.alerts[fingerprint]
        else:
            self._end("switched_off", fingerprint, alert)

    def _end(self, event: str, fingerprint: str, alert: Alert) -> None:
        del self.alerts[fingerprint]
        self.news.append((event, alert))
        if alert.told is not None:
            self._groups.setdefault(alert.labels.group, _Group()).resolved[fingerprint] = alert

    def _forget(self, now: float) -> None:
        while self._past and (len(self._past) > MAX_REMEMBERED or now - next(iter(self._past.values()))[0] > RELAPSE):
            self._past.popitem(last=False)

    # ------------------------------------------------------------------ groups

    def _messages(self, now: float) -> Iterator[Message]:
        members: dict[str, list[Alert]] = {}
        for alert in self.alerts.values():
            if alert.fired is not None:
                members.setdefault(alert.labels.group, []).append(alert)
        for name in list(dict.fromkeys((*members, *self._groups))):
            message = self._message(now, name, members.get(name, []))
            if message is not None:
                yield message

    def _message(self, now: float, name: str, alerts: list[Alert]) -> Message | None:
        group = self._groups.get(name)
        news = [alert for alert in alerts if self._is_news(now, alert)]
        known = [alert for alert in alerts if alert.told is not None]
        audible = [alert for alert in known if alert.muted is None]
        if not news and (group is None or not group.resolved):
            if group is not None and not known:
                del self._groups[name]
            elif group is not None:
                group.waits_since = None
                if audible and group.last is not None and now - group.last >= self.rules.repeat_interval:
                    return self._tell(now, name, group, news=[], audible=audible, ends=False)
            return None
        if group is None:
            group = self._groups[name] = _Group()
        if group.waits_since is None:
            group.waits_since = now
        if now - group.waits_since < self.rules.group_window:
            return None
        return self._tell(now, name, group, news=news, audible=audible, ends=not news and not known)

    @staticmethod
    def _is_news(now: float, alert: Alert) -> bool:
        """Tell whether people have to hear of an alert, be it gone at this moment: it may come and go for hours."""
        if alert.muted is not None or alert.fired is None or now - alert.fired < alert.condition.quiet:
            return False
        return alert.told is None or alert.condition.severity < alert.told_severity

    def _tell(
        self, now: float, name: str, group: _Group, *, news: list[Alert], audible: list[Alert], ends: bool
    ) -> Message:
        begun = tuple(alert for alert in news if alert.told is None)
        worse = tuple(alert for alert in news if alert.told is not None)
        again = {id(alert) for alert in worse}
        still = tuple(alert for alert in audible if id(alert) not in again)
        resolved = tuple(group.resolved.values())
        group.waits_since, group.last, group.resolved = None, now, {}
        for alert in (*begun, *worse, *still):
            alert.told, alert.told_severity = now, alert.condition.severity
        concerned = (*begun, *worse, *still, *resolved)
        severity = min(alert.told_severity for alert in concerned)
        group.worst = min(group.worst, severity)
        if ends:
            severity = group.worst
            del self._groups[name]
        return Message(name, concerned[0].labels.service, begun, worse, still, resolved, severity, ends)
