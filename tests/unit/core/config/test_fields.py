"""Each field of each configuration refuses what it does not mean, and says so."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrollintel.core.config import (
    AdaptiveLimitConfig,
    BulkheadConfig,
    CircuitBreakerConfig,
    Config,
    DegradationConfig,
    OutlierConfig,
    RateLimitConfig,
    RetryConfig,
)
from tests.unit.core.config.catalogue import (
    BOOLEANS,
    CHOICES,
    ERRORS,
    HOOKS,
    NAMES,
    NESTED,
    NUMBERS,
    REQUIRED,
    Number,
    assert_refused,
    build,
    refused,
)

QUICK = settings(max_examples=25, deadline=None, derandomize=True)
UNSHOWN = ["a\nb", "a\x00b", "a\x7fb", "a\x85b", "a\u2028b", "\ud800"]
BAD_NAMES = ["", " ", "\t", *UNSHOWN, "n" * 201, 7, True, b"name", ["n"]]
NO_ERRORS = ["ValueError", b"", ValueError, ValueError(), [int], [ValueError()], [""], ["a b"], ["a..b"], [1], None, 3]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_number_field_with_what_is_no_number_in_range_is_refused(number: Number) -> None:
    """Not a number, infinite, negative, text and booleans are refused by every numeric field."""
    values: tuple[object, ...] = (math.nan, math.inf, -math.inf, -1, -0.5, "1", "", True, False, [], {}, 1j, b"1")
    for value in values:
        assert_refused(number.kind, number.field, value)


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_number_field_below_its_lowest_value_is_refused(number: Number) -> None:
    """The value just below the lower bound is refused, and so is an exclusive bound itself."""
    just_below = number.low - 1 if number.whole else math.nextafter(number.low, -math.inf)
    assert_refused(number.kind, number.field, just_below)
    if number.above:
        assert_refused(number.kind, number.field, number.low)
        assert_refused(number.kind, number.field, 0)
        assert_refused(number.kind, number.field, -0.0)


@pytest.mark.parametrize("number", [number for number in NUMBERS if number.high < math.inf], ids=str)
def test_number_field_above_its_highest_value_is_refused(number: Number) -> None:
    """The value just above the upper bound is refused."""
    just_above = int(number.high) + 1 if number.whole else math.nextafter(number.high, math.inf)
    assert_refused(number.kind, number.field, just_above)


@pytest.mark.parametrize("number", [number for number in NUMBERS if not number.optional], ids=str)
def test_number_field_without_a_meaning_for_none_refuses_it(number: Number) -> None:
    """None is refused where it means nothing."""
    assert_refused(number.kind, number.field, None)


@pytest.mark.parametrize("number", [number for number in NUMBERS if number.optional], ids=str)
def test_number_field_that_may_be_none_says_so(number: Number) -> None:
    """Where None is allowed it is accepted, and the words for what is allowed name it."""
    assert getattr(build(number.kind, **{number.field: None}), number.field) is None
    assert number.kind.describe()[number.field]["allowed"].endswith(" or None")


@pytest.mark.parametrize("number", [number for number in NUMBERS if number.whole], ids=str)
def test_whole_number_field_with_a_fraction_is_refused(number: Number) -> None:
    """A count is never a float, not even a round one."""
    assert_refused(number.kind, number.field, 1.5)
    assert_refused(number.kind, number.field, 2.0)


@pytest.mark.parametrize("number", [number for number in NUMBERS if not number.whole], ids=str)
def test_number_field_with_an_integer_too_large_for_a_float_is_refused(number: Number) -> None:
    """An integer beyond the range of a float is a bad value, not an OverflowError."""
    assert_refused(number.kind, number.field, 10**400)


NEEDS: dict[tuple[type[Config], str], Callable[[float], dict[str, Any]]] = {
    (AdaptiveLimitConfig, "initial_limit"): lambda _: {"max_limit": 100_000},
    (AdaptiveLimitConfig, "min_limit"): lambda value: {"initial_limit": int(value), "max_limit": int(value)},
    (AdaptiveLimitConfig, "max_limit"): lambda value: {"initial_limit": int(value)},
    (BulkheadConfig, "max_wait"): lambda _: {"max_waiting": 1},
    (CircuitBreakerConfig, "window"): lambda _: {"window_kind": "time"},
    (CircuitBreakerConfig, "slow_call_duration"): lambda _: {"window_kind": "time"},
    (OutlierConfig, "ejection_time"): lambda value: {"max_ejection_time": value},
    (OutlierConfig, "max_ejection_time"): lambda value: {"ejection_time": value},
    (RetryConfig, "base_delay"): lambda value: {"max_delay": value},
    (RetryConfig, "max_delay"): lambda _: {"base_delay": 0},
    (RateLimitConfig, "rate"): lambda value: {"period": value},
    (RateLimitConfig, "period"): lambda value: {"rate": min(value, 1e9)},
    (DegradationConfig, "minimal_error_rate"): lambda value: rising("minimal", value),
    (DegradationConfig, "moderate_error_rate"): lambda value: rising("moderate", value),
    (DegradationConfig, "severe_error_rate"): lambda value: rising("severe", value),
    (DegradationConfig, "critical_error_rate"): lambda value: rising("critical", value),
}


def rising(level: str, value: float) -> dict[str, Any]:
    """Return thresholds for the other levels that rise through `value`."""
    levels = ["minimal", "moderate", "severe", "critical"]
    own = levels.index(level)
    return {
        f"{name}_error_rate": value * 0.5 ** (own - i) if i < own else value + (1 - value) * 0.2 * (i - own)
        for i, name in enumerate(levels)
    }


UPPER_BOUND_REACHED_BY_ITSELF_ONLY = {
    "minimal_error_rate",
    "moderate_error_rate",
    "severe_error_rate",
    "quantile",
    "max_share",
}


@pytest.mark.parametrize("number", NUMBERS, ids=str)
@QUICK
@given(share=st.floats(0, 1), exponent=st.floats(-2, 6))
def test_number_field_inside_its_range_is_kept_with_its_type(number: Number, share: float, exponent: float) -> None:
    """Every value in range is accepted and read back equal, a float where the field is one."""
    if number.high < math.inf:
        high = 0.9 if number.field in UPPER_BOUND_REACHED_BY_ITSELF_ONLY else number.high
        value = number.low + share * (high - number.low)
    else:
        value = number.low + 10.0**exponent
    if number.above and value < 0.001:
        value = 0.001
    given_value = int(value) if number.whole else value
    needs = NEEDS.get((number.kind, number.field))
    fields = {**(needs(value) if needs is not None else {}), number.field: given_value}
    kept = getattr(build(number.kind, **fields), number.field)
    assert kept == given_value
    assert type(kept) is (int if number.whole else float)


@pytest.mark.parametrize(("kind", "field"), BOOLEANS)
@pytest.mark.parametrize("value", [0, 1, "true", "", None, 1.0, []], ids=repr)
def test_boolean_field_with_a_lookalike_is_refused(kind: type[Config], field: str, value: object) -> None:
    """Numbers and words are not booleans."""
    assert_refused(kind, field, value)


@pytest.mark.parametrize(("kind", "field"), BOOLEANS)
def test_boolean_field_keeps_both_values(kind: type[Config], field: str) -> None:
    """True and False are kept."""
    assert getattr(build(kind, **{field: True}), field) is True
    assert getattr(build(kind, **{field: False}), field) is False


@pytest.mark.parametrize(("kind", "field", "members"), CHOICES)
@pytest.mark.parametrize("value", ["", "FULL ", "other", 1, 0, None, [], math.nan], ids=repr)
def test_choice_field_with_an_unknown_word_is_refused(
    kind: type[Config], field: str, members: Any, value: object
) -> None:
    """A word that is no member is refused, and the violation lists the members."""
    assert_refused(kind, field, value)
    allowed = kind.describe()[field]["allowed"]
    assert all(repr(member.value) in allowed for member in members)


@pytest.mark.parametrize(("kind", "field", "members"), CHOICES)
def test_choice_field_takes_members_and_their_values(kind: type[Config], field: str, members: Any) -> None:
    """A member and its plain text both give the member."""
    for member in members:
        assert getattr(build(kind, **{field: member}), field) is member
        assert getattr(build(kind, **{field: member.value}), field) is member


@pytest.mark.parametrize(("kind", "field"), ERRORS)
@pytest.mark.parametrize(
    "value",
    [*NO_ERRORS, {}, {ValueError: 1}],
    ids=repr,
)
def test_errors_field_with_what_names_no_exceptions_is_refused(kind: type[Config], field: str, value: object) -> None:
    """Only a list of exception classes or of their names is taken."""
    assert_refused(kind, field, value)


@pytest.mark.parametrize(("kind", "field"), ERRORS)
def test_errors_field_keeps_classes_and_names_as_a_tuple(kind: type[Config], field: str) -> None:
    """A list, a tuple and a generator become the same tuple; an empty one is allowed."""
    wanted = (KeyError, "TimeoutError", "http.client.HTTPException")
    for given_value in (list(wanted), wanted, iter(wanted)):
        assert getattr(build(kind, **{field: given_value}), field) == wanted
    assert getattr(build(kind, **{field: []}), field) == ()


@pytest.mark.parametrize(("kind", "field"), HOOKS)
@pytest.mark.parametrize("value", ["print", 1, True, [], object()], ids=["text", "number", "boolean", "list", "object"])
def test_hook_field_with_what_cannot_be_called_is_refused(kind: type[Config], field: str, value: object) -> None:
    """A hook is a callable or None."""
    assert_refused(kind, field, value)


@pytest.mark.parametrize(("kind", "field"), HOOKS)
def test_hook_field_is_kept_and_never_serialised(kind: type[Config], field: str) -> None:
    """A hook is code: the configuration keeps it, its dict does not have it."""
    others = {"breaker": CircuitBreakerConfig("orders")} if field == "key" else {}
    config = build(kind, **{field: len}, **others)
    assert getattr(config, field) is len
    assert field not in config.to_dict()


@pytest.mark.parametrize(("kind", "field"), NAMES)
@pytest.mark.parametrize("value", BAD_NAMES, ids=ascii)
def test_name_field_that_cannot_be_shown_is_refused(kind: type[Config], field: str, value: object) -> None:
    """Empty, blank, over 200 characters, control characters, line separators, lone surrogates and non-text."""
    assert_refused(kind, field, value)


@pytest.mark.parametrize(("kind", "field"), NAMES)
@QUICK
@given(name=st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200))
def test_name_field_keeps_any_printable_text_up_to_200_characters(kind: type[Config], field: str, name: str) -> None:
    """Any text that is not blank is a name."""
    if name.strip():
        assert getattr(build(kind, **{field: name}), field) == name


@pytest.mark.parametrize(("kind", "field", "inner"), NESTED)
@pytest.mark.parametrize("value", ["x", True, object, 3.5j, {1}], ids=repr)
def test_nested_field_with_what_is_no_configuration_is_refused(
    kind: type[Config], field: str, inner: type[Config], value: object
) -> None:
    """Anything but the configuration, a dict of its fields or its documented shorthand is refused."""
    if field == "fallback" and callable(value):
        value = 1
    assert_refused(kind, field, value)
    assert inner.__name__ in kind.describe()[field]["allowed"]


@pytest.mark.parametrize(("kind", "field", "inner"), NESTED)
def test_nested_field_reports_the_path_of_every_inner_violation(
    kind: type[Config], field: str, inner: type[Config]
) -> None:
    """Violations inside a nested configuration carry the path to the field, also for unknown and missing keys."""
    numeric = next(number.field for number in NUMBERS if number.kind is inner)
    error = refused(kind, **{field: {numeric: "much", "colour": "red"}})
    fields = {violation.field for violation in error.violations}
    missing = set(REQUIRED.get(inner, {})) - {numeric, "chain"}  # a chain may be absent
    assert fields == {f"{field}.{numeric}", f"{field}.colour"} | {f"{field}.{name}" for name in missing}


@pytest.mark.parametrize(("kind", "field", "inner"), NESTED)
def test_nested_field_takes_the_configuration_itself_or_a_dict(
    kind: type[Config], field: str, inner: type[Config]
) -> None:
    """A dict of the inner fields is the same as the inner configuration."""
    config = build(inner)
    assert getattr(build(kind, **{field: config}), field) is config
    assert getattr(build(kind, **{field: REQUIRED.get(inner, {})}), field) == config
