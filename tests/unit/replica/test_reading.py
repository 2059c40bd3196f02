"""What comes from the other side is read without trust, and versions one apart understand each other."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.machines.sketch import CLASSIC_BOUNDS
from scrollintel.core.states import CircuitState
from scrollintel.replica.parts import PartReport
from scrollintel.replica.protocol import (
    MAX_BODY,
    MAX_TEXT,
    CircuitReport,
    Desired,
    LevelOrder,
    Order,
    PolicyOrder,
    PolicyReport,
    ProtocolError,
)
from scrollintel.replica.reading import (
    MAX_DEPTH,
    decode,
    read_change,
    read_circuits,
    read_desired,
    read_heard,
    read_joined,
    read_levels,
    read_parts,
    read_policies,
)
from scrollintel.service.reports import read_report

CIRCUIT: list[Any] = [
    "a", None, "open", "down", 1.5, 3, 1, 2, 0, 0, 0, 0, 0, 0, 2, 1, None, None, None, None, None, "OSError", 1.0, 0,
]  # fmt: skip
POLICY: list[Any] = ["p", 3, None, None, None, 9.5, 4, 0, 1, 0]
BUCKETS: list[Any] = list(range(len(CLASSIC_BOUNDS) + 1))
LEVEL: list[Any] = ["search", 2, "slow", False, 1.5]
PART: list[Any] = ["search", "metastability", None, "shedding", "slow", {"share": 0.5, "rejections": 3, "running": 2}]


def nested(levels: int) -> bytes:
    """Return an object with lists in it, so many levels deep altogether."""
    return b'{"a": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


# ------------------------------------------------------------------ bytes


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nonsense", b"[]", b"null", b"1", b'"text"', b"{", b'{"a": }', b"\xff\xfe\x00", b'{"a": NaN}',
        b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": 1e999}', b'{"a": -1e999}', b'{"a": ' + b"9" * 5000 + b"}",
        nested(MAX_DEPTH + 1), b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a": "' + b"x" * MAX_BODY + b'"}',
    ],
)  # fmt: skip
def test_decode_of_what_is_no_message_is_refused(body: bytes) -> None:
    """Nonsense, no object, no number, too deep and too large are all the same error."""
    with pytest.raises(ProtocolError):
        decode(body)


def test_decode_of_a_message_as_deep_and_large_as_allowed_gives_it() -> None:
    """The limits themselves are allowed."""
    assert decode(nested(MAX_DEPTH)) == json.loads(nested(MAX_DEPTH))
    frame = len(b'{"a": ""}')
    assert len(decode(b'{"a": "' + b"x" * (MAX_BODY - frame) + b'"}')["a"]) == MAX_BODY - frame


# ------------------------------------------------------------------ answers


def test_read_joined_of_the_oldest_answer_fills_in_what_is_not_said() -> None:
    """A server that knows nothing of intervals gets reports each second and is asked again after 25 s."""
    joined = read_joined({"replica": "r1", "sequence": 5, "desired": {}})
    assert (joined.push_interval, joined.poll_wait, joined.quiet) == (1.0, 25.0, 0.0)
    assert joined.desired == Desired()


def test_read_joined_of_a_later_answer_ignores_what_it_does_not_know() -> None:
    """New fields anywhere, and a higher version of the protocol, change nothing."""
    content = {"revision": 2, "policy": {"name": "p"}, "later": True}
    order = {"order": "isolate", "reason": "fire", "sequence": 3, "later": [1]}
    level = {"level": 2, "reason": "slow", "expires_in": 5, "sequence": 4, "later": None}
    joined = read_joined(
        {
            "protocol": 99,
            "replica": "r-1_a",
            "sequence": 5,
            "stale_after": 6,
            "later": {"x": 1},
            "desired": {
                "policies": {"p": content},
                "orders": {"c": [order, {"order": "slow_down", "rate": 3}]},
                "levels": {"s": level},
                "later": {"x": []},
            },
        }
    )
    assert joined.quiet == 2.0
    assert joined.desired == Desired(
        {"p": PolicyOrder("p", 2, {"name": "p"})},
        (Order("c", None, "fire", 3),),
        {"s": LevelOrder("s", 2, "slow", 5.0, 4)},
    )


@pytest.mark.parametrize(("said", "meant"), [(0, 0.1), (1e9, 60.0), (-3, 0.1), (2, 2.0)])
def test_read_joined_keeps_intervals_within_reason(said: float, meant: float) -> None:
    """No server can make a replica report without pause, or never."""
    data = {"replica": "r", "sequence": 0, "desired": {}, "push_interval": said, "poll_wait": -1, "stale_after": 1e300}
    joined = read_joined(data)
    assert joined.push_interval == meant
    assert (joined.poll_wait, joined.quiet) == (0.0, 300.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"replica": "../x"}, {"replica": ""}, {"replica": 3}, {"replica": "x" * 201}, {"replica": "a/b"},
        {"replica": "a b"}, {"replica": "a\r\nX: y"}, {"sequence": True}, {"sequence": -1}, {"sequence": 1.5},
        {"sequence": 2**63}, {"sequence": None}, {"push_interval": "1"}, {"push_interval": True}, {"desired": None},
        {"desired": []}, {"desired": {"policies": []}}, {"desired": {"policies": {"": {"revision": 1, "policy": {}}}}},
        {"desired": {"policies": {"p": {"revision": "1", "policy": {}}}}},
        {"desired": {"policies": {"p": {"revision": 1, "policy": 3}}}}, {"desired": {"orders": {"c": 1}}},
        {"desired": {"orders": {"c": {"key": 3}}}}, {"desired": {"orders": {"c": {"key": "k" * 1001}}}},
        {"desired": {"levels": {"s": {"level": 5}}}}, {"desired": {"levels": {"s": {"level": True}}}},
        {"desired": {"levels": {"s": {"level": 1, "expires_in": "soon"}}}},
    ],
)  # fmt: skip
def test_read_joined_of_a_malformed_answer_is_refused(wrong: dict[str, Any]) -> None:
    """A wrong type, a name that is none, or an identifier that could leave its place in a URL is an error."""
    with pytest.raises(ProtocolError):
        read_joined({"replica": "r", "sequence": 0, "desired": {}, **wrong})


def test_read_heard_skips_kinds_of_changes_that_a_later_server_has() -> None:
    """An unknown kind is passed over, and the number of the answer tells that it was."""
    heard = read_heard(
        {
            "sequence": 9,
            "later": 1,
            "changes": [
                {"sequence": 7, "kind": "throttle", "rate": {"per": 3}},
                {"sequence": 8, "kind": "isolate", "name": "c", "reason": "x" * 5000, "later": 1},
                {"sequence": 9, "kind": "restore", "service": "s"},
            ],
        }
    )
    assert [change.sequence for change in heard.changes] == [8, 9]
    assert len(heard.changes[0].reason) == MAX_TEXT
    assert heard.changes[1].reason == "ordered by the control plane"
    assert heard.sequence == 9


def test_read_heard_with_everything_anew_gives_no_increments() -> None:
    """Who has missed too much gets all that is wanted."""
    heard = read_heard({"sequence": 9, "changes": "whatever", "desired": {"orders": {"c": {"reason": "fire"}}}})
    assert heard.changes == ()
    assert heard.desired == Desired(orders=(Order("c", None, "fire", 0),))
    assert read_heard({"sequence": 9}).changes == ()


@pytest.mark.parametrize(
    "change",
    [
        3, {}, {"sequence": 1}, {"kind": "isolate"}, {"sequence": 1, "kind": "isolate"},
        {"sequence": 1, "kind": "isolate", "name": "a\nb"}, {"sequence": 1, "kind": "policy", "name": "p"},
        {"sequence": 1, "kind": "level", "service": "s", "level": 9}, {"sequence": 1, "kind": "restore"},
        {"sequence": 1, "kind": "policy_removed", "name": None}, {"sequence": 1, "kind": 5},
    ],
)  # fmt: skip
def test_read_change_that_is_malformed_is_refused(change: object) -> None:
    """What a known kind needs is there, or the whole answer is none."""
    with pytest.raises(ProtocolError):
        read_change(change)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "replica",
        "sequence",
        "desired",
        "changes",
        "policies",
        "orders",
        "levels",
        "parts",
        "kind",
        "name",
        "level",
        "key",
    ]
)
messages = st.dictionaries(
    fields, json_values | st.dictionaries(fields, json_values | st.dictionaries(fields, json_values))
)


@given(messages)
def test_reading_any_object_gives_a_message_or_a_protocol_error(data: dict[str, Any]) -> None:
    """No other error leaves the readers, whatever is in the object."""
    for read in (read_joined, read_heard, read_desired, read_change, read_report):
        try:
            read(data)
        except ProtocolError:
            continue


# ------------------------------------------------------------------ reports


def test_read_rows_of_a_later_replica_ignores_what_it_adds() -> None:
    """Items at the end of a row, and fields beside the rows, are those of a version to come."""
    report = read_report(
        {
            "circuits": [[*CIRCUIT, BUCKETS, "later", 1]],
            "policies": [[*POLICY, 7, 10, 13, 1, 5, 2.5, 10.0, 20, 3, 1, 0.5, 8, 9, "later"]],
            "levels": [[*LEVEL, {"later": 1}]],
            "parts": [
                [*PART, "later"],
                ["search", "later", None, "odd", "", {"any": "thing"}],
                [*PART[:3], "later_state", "", {"share": 0.5, "later": "x"}],
            ],
            "later": [1],
        }
    )
    assert report.circuits == [CircuitReport(*CIRCUIT, BUCKETS)]
    assert report.policies == [PolicyReport._make([*POLICY, 7, 10, 13, 1, 5, 2.5, 10.0, 20, 3, 1, 0.5, 8, 9])]
    assert [level.service for level in report.levels] == ["search"]
    assert report.parts == [
        PartReport(*PART), PartReport("search", "metastability", None, "later_state", "", {"share": 0.5}),
    ]  # fmt: skip
    assert read_report({}).parts == []


def test_read_circuits_of_another_version_are_read_without_response_times() -> None:
    """An older replica tells none, and one with other bounds tells what nobody here can read."""
    for row in (CIRCUIT, [*CIRCUIT, None], [*CIRCUIT, [*BUCKETS, 1]], [*CIRCUIT, []]):
        assert read_circuits([row]) == [CircuitReport(*CIRCUIT)]


@pytest.mark.parametrize("value", ["1", 1, {}, [*BUCKETS[1:], -1], [*BUCKETS[1:], 0.5], [*BUCKETS[1:], True],
                                   [*BUCKETS[1:], 2**53], [*BUCKETS[1:], None]])  # fmt: skip
def test_read_circuits_with_response_times_that_are_no_counts_are_refused(value: object) -> None:
    """What would make a sum wrong is told to the replica, and nothing of the message is taken."""
    with pytest.raises(ProtocolError):
        read_circuits([[*CIRCUIT, value]])


def test_read_policies_of_an_older_replica_fills_in_what_it_does_not_report() -> None:
    """Rows that end before the rejections, or before the calls, are read with zeros."""
    older = read_policies([POLICY, [*POLICY, 7]])
    assert [(row.rejections, row.calls, row.attempts, row.given_up) for row in older] == [(0, 0, 0, 0), (7, 0, 0, 0)]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ""), (0, "a\nb"), (0, 3), (0, "n" * 201), (1, 3), (1, "k" * 201), (2, "ajar"), (2, None), (3, None),
        (3, "x" * 1001), (3, "a\x00"), (4, "now"), (4, True), (4, math.inf), (4, math.nan), (6, 1.5), (6, True),
        (6, None), (17, "fast"), (21, 3), (21, "E\x00"), (23, None),
    ],
)  # fmt: skip
def test_read_circuits_with_a_value_of_the_wrong_kind_is_refused(place: int, value: object) -> None:
    """Each place of a row holds its own kind of value, and only numbers that are some."""
    with pytest.raises(ProtocolError):
        read_circuits([[*CIRCUIT[:place], value, *CIRCUIT[place + 1 :]]])


@pytest.mark.parametrize("rows", [None, {}, "rows", [3], [[]], [CIRCUIT[:-1]]])
def test_read_circuits_of_what_are_no_rows_is_refused(rows: object) -> None:
    """Rows are lists in a list, and none is too short."""
    with pytest.raises(ProtocolError):
        read_circuits(rows)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, ""), (0, "a\nb"), (0, "n" * 201), (1, None), (2, ""), (2, "m" * 201), (2, 3), (3, ""), (3, "No word"),
        (3, "w" * 41), (4, None), (4, "x" * 1001), (4, "a\x00"), (5, None), (5, []), (5, {"share": "all"}),
        (5, {"share": True}), (5, {"share": None}), (5, {"share": math.inf}), (5, {"share": math.nan}),
        (5, {"rejections": 1.5}), (5, {"rejections": -1}), (5, {"running": 10**400}), (5, {"rejections": 2**53}),
    ],
)  # fmt: skip
def test_read_parts_with_a_value_of_the_wrong_kind_is_refused(place: int, value: object) -> None:
    """Names, states and reasons are bounded, figures are numbers, and those that never fall are counts."""
    with pytest.raises(ProtocolError):
        read_parts([[*PART[:place], value, *PART[place + 1 :]]])


@pytest.mark.parametrize("rows", [None, {}, "rows", [3], [[]], [["search", "pool", None, "whole", ""]]])
def test_read_parts_of_what_are_no_rows_is_refused(rows: object) -> None:
    """Rows are lists in a list, and none is too short."""
    with pytest.raises(ProtocolError):
        read_parts(rows)


def test_read_parts_that_are_gone_have_no_state() -> None:
    """That is how one is told not to be there any more."""
    assert read_parts([[*PART[:3], None, "", {}]])[0].state is None


def test_read_levels_takes_a_truth_value_for_itself_alone() -> None:
    """Whether a level is automatic is True or False and no number, and its level is no truth value."""
    assert read_levels([LEVEL])[0].automatic is False
    for place, value in ((3, 1), (1, True)):
        with pytest.raises(ProtocolError):
            read_levels([[*LEVEL[:place], value, *LEVEL[place + 1 :]]])


def test_read_circuits_knows_every_state() -> None:
    """Each state of the engine can be told."""
    rows = [[*CIRCUIT[:2], state.value, *CIRCUIT[3:]] for state in CircuitState]
    assert [row.state for row in read_circuits(rows)] == [state.value for state in CircuitState]
