"""What people are told of a group of alerts: one sentence, a count of each state, and one line for each alert."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrollintel.control.alert_machine import Alert, Message
from scrollintel.control.alerts import AlertName, Condition, Labels
from scrollintel.service.alerts.messages import notice_of
from scrollintel.telemetry.notify.notice import Notice, NoticeKind

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def alert(target: str, severity: int = 2, *, off: bool = False) -> Alert:
    """Return an alert that fires, or did."""
    labels = Labels(AlertName.CIRCUIT_OPEN_TOO_LONG, "orders", target)
    return Alert(Condition(labels=labels, severity=severity, summary=f"{target} is refused"), 0.0, 0.0, off=off)


def told(*, ends: bool = False, **parts: tuple[Alert, ...]) -> Notice:
    """Return what people are told of a message with these parts."""
    empty: dict[str, tuple[Alert, ...]] = {"begun": (), "worse": (), "still": (), "resolved": ()}
    message = Message("service:orders", "orders", **{**empty, **parts}, severity=2, ends=ends)
    return notice_of(message, AT, None)


PAY, MAIL, SEARCH = alert("payments"), alert("mail", 3), alert("search", 1)
OFF, OFF_TOO = alert("payments", off=True), alert("mail", 3, off=True)


@pytest.mark.parametrize(
    ("parts", "summary"),
    [
        ({"begun": (PAY,)}, "CircuitOpenTooLong: payments is refused"),
        ({"worse": (PAY,), "still": (SEARCH,)}, "worse: CircuitOpenTooLong: payments is refused"),
        ({"begun": (MAIL,), "worse": (PAY,)}, "2 alerts, the worst CircuitOpenTooLong: payments is refused"),
        ({"still": (PAY,)}, "still firing: CircuitOpenTooLong: payments is refused"),
        ({"still": (PAY,), "resolved": (MAIL,)}, "1 over, still firing: CircuitOpenTooLong: payments is refused"),
        ({"resolved": (PAY,)}, "over: CircuitOpenTooLong: payments is refused"),
        ({"resolved": (MAIL, PAY)}, "2 over, the worst was CircuitOpenTooLong: payments is refused"),
        (
            {"resolved": (OFF,)},
            "alerts were switched off in the configuration, while this held: CircuitOpenTooLong: payments is refused",
        ),
        (
            {"resolved": (SEARCH, OFF_TOO, OFF)},
            "alerts were switched off in the configuration, while this held: 2 alerts, among them CircuitOpenTooLong:"
            " payments is refused",
        ),
    ],
)
def test_sentence_says_what_has_happened_to_the_worst(parts: dict[str, tuple[Alert, ...]], summary: str) -> None:
    """What is new or worse comes first, then what still fires; what was switched off is not called over."""
    assert told(**parts).summary == summary


def test_each_alert_is_listed_with_its_state_and_counted() -> None:
    """What has become worse is told apart from what is new, and what was switched off from what is over."""
    notice = told(begun=(PAY,), worse=(SEARCH,), still=(MAIL,), resolved=(OFF, alert("db")))
    assert [(line["target"], line["state"]) for line in notice.alerts] == [
        ("payments", "firing"), ("search", "worse"), ("mail", "still firing"), ("payments", "switched off"),
        ("db", "resolved"),
    ]  # fmt: skip
    assert notice.details == {"firing": 3, "new": 1, "worse": 1, "resolved": 1, "switched_off": 1}


def test_end_of_a_group_is_of_another_kind_when_alerts_were_switched_off() -> None:
    """Both end the incident at a pager."""
    over, off = told(resolved=(PAY,), ends=True), told(resolved=(OFF, MAIL), ends=True)
    assert (over.kind, off.kind) == (NoticeKind.ALERT_RESOLVED, NoticeKind.ALERT_SWITCHED_OFF)
    assert over.kind.ends and off.kind.ends and off.kind.recurs
    assert told(begun=(PAY,)).kind is told(worse=(PAY,)).kind is NoticeKind.ALERT_FIRING
