"""The rules for HTTP: statuses, methods, `Retry-After`, keys, bodies, and policies that know them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest
import requests

from scrollintel import (
    AdaptiveLimitConfig,
    CircuitBreakerConfig,
    CircuitOpenError,
    ConfigError,
    FallbackConfig,
    HedgeConfig,
    Policy,
    RetryConfig,
    ThrottleConfig,
    TimeoutConfig,
    Value,
)
from scrollintel.core.outcome import ErrorMatcher
from scrollintel.integrations.http_exchange import is_small, shorter
from scrollintel.integrations.http_policy import (
    CONNECTION_ERRORS,
    LOCAL_ERRORS,
    Repeatable,
    can_replay,
    complete,
    host_key,
    http_policy,
    is_failure,
    is_retryable,
    parse_retry_after,
    retry_after,
)

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


def response(status: int = 200, **headers: str) -> Any:
    """Return a real response of httpx2."""
    return httpx2.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def prepared(method: str = "GET", url: str = "http://shop.test/", **options: Any) -> requests.PreparedRequest:
    """Return a real request of requests."""
    return requests.Request(method, url, **options).prepare()


def generated() -> Iterator[bytes]:
    """Yield a body that can be sent once."""
    yield b"body"


# --------------------------------------------------------------------------------------------------------- statuses


def test_is_failure_is_true_for_500_to_599() -> None:
    """A server's failure is what the server itself calls one."""
    assert [status for status in range(100, 700) if is_failure(SimpleNamespace(status_code=status))] == [
        *range(500, 600)
    ]


def test_is_retryable_is_true_for_what_may_be_gone_a_moment_later() -> None:
    """Too many, too slow, not now; not 501 or 505, which stay as they are."""
    retryable = [status for status in range(100, 700) if is_retryable(SimpleNamespace(status_code=status))]
    assert retryable == [408, 429, 500, 502, 503, 504]


@pytest.mark.parametrize("value", [None, "text", 503, SimpleNamespace(status_code="503"), object()])
def test_predicates_of_what_is_no_response_are_false(value: object) -> None:
    """A fallback may return anything."""
    assert (is_failure(value), is_retryable(value)) == (False, False)


# ------------------------------------------------------------------------------------------------------- Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, float("inf")),
        ("Sun, 06 Nov 1994 08:49:57 GMT", 20.0),
        ("Sunday, 06-Nov-94 08:49:57 GMT", 20.0),
        ("Sun Nov  6 08:49:57 1994", 20.0),
        ("Sun, 06 Nov 1994 08:49:17 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999999999 08:49:37 GMT", None),
    ],
)
def test_parse_retry_after_gives_seconds_from_now(text: str, seconds: float | None) -> None:
    """Whole seconds or one of the three date formats; a past date is 0; the rest is ignored."""
    assert parse_retry_after(text, NOW) == seconds


def test_retry_after_as_date_is_measured_against_the_responses_own_date() -> None:
    """A server whose clock is years off still says how long to wait."""
    seen = response(503, Date="Sun, 06 Nov 1994 08:49:37 GMT", Retry_After="Sun, 06 Nov 1994 08:50:07 GMT")
    assert retry_after(seen) == 30.0


def test_retry_after_as_date_without_date_is_measured_by_our_clock() -> None:
    """A date long past means now."""
    assert retry_after(response(503, Retry_After="Sun, 06 Nov 1994 08:49:37 GMT")) == 0.0


@pytest.mark.parametrize("seen", [response(503), ConnectionError("broken"), None])
def test_retry_after_of_what_asks_for_nothing_is_none(seen: object) -> None:
    """Without the header, or without a response, there is no wish."""
    assert retry_after(seen) is None


def test_retry_after_of_a_refusal_is_the_time_to_the_next_probe() -> None:
    """Who retries refusals waits for the circuit."""
    assert retry_after(CircuitOpenError("shop", 12.0)) == 12.0


# ---------------------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://shop.test/path?query", "http://shop.test:80"),
        ("https://SHOP.test", "https://shop.test:443"),
        ("https://shop.test:8443/", "https://shop.test:8443"),
        ("http://user:secret@shop.test/", "http://shop.test:80"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_host_key_is_the_same_for_every_client(url: str, key: str) -> None:
    """Scheme, host and port, with the scheme's own port spelt out, and nothing secret."""
    clients = [httpx2.Request("GET", url), httpx.Request("GET", url), prepared(url=url)]
    assert [host_key(request) for request in clients] == [key] * 3


def test_host_key_of_an_invalid_url_is_left_to_the_client() -> None:
    """The client's own error is the better one."""
    assert host_key(SimpleNamespace(url="http://shop.test:99999999/")) == "(invalid URL)"


@pytest.mark.parametrize("module", [httpx2, httpx])
def test_can_replay_of_httpx_requests_needs_the_body_in_memory(module: Any) -> None:
    """Bytes, JSON and forms are kept; streams are gone once sent, unless they were read before."""
    for options in ({}, {"content": b"x"}, {"json": {"a": 1}}, {"data": {"a": "1"}}):
        assert can_replay(module.Request("PUT", "http://shop.test/", **options))
    stream = module.Request("PUT", "http://shop.test/", content=generated())
    assert not can_replay(stream)
    stream.read()
    assert can_replay(stream)


def test_can_replay_of_requests_needs_the_body_in_memory() -> None:
    """The same for a prepared request."""
    for options in ({}, {"data": b"x"}, {"data": "x"}, {"json": {"a": 1}}):
        assert can_replay(prepared("PUT", **options))
    assert not can_replay(prepared("PUT", data=generated()))


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        *[(method, {}, True) for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "get")],
        *[(method, {}, False) for method in ("POST", "PATCH", "CONNECT", "FROBNICATE")],
        ("POST", {"idempotency-key": "7"}, True),
        ("PATCH", {"Idempotency-Key": "7"}, True),
    ],
)
def test_repeatable_follows_the_method_and_the_idempotency_key(
    method: str, headers: dict[str, str], expected: bool
) -> None:
    """RFC 9110 says which methods are idempotent; a key makes the others so."""
    clients = [
        httpx2.Request(method, "http://shop.test/", headers=headers),
        httpx.Request(method, "http://shop.test/", headers=headers),
        prepared(method, headers=headers),
    ]
    assert [Repeatable()(request) for request in clients] == [expected] * 3


# ---------------------------------------------------------------------------------------------------------- policies


def test_http_policy_defaults_are_the_documented_ones() -> None:
    """A circuit per host of the engine's defaults, three attempts, 10 s each and 30 s in all."""
    policy = http_policy("shop")
    assert policy.breaker is not None
    assert policy.retry is not None
    assert (policy.limits.attempt, policy.limits.total) == (10.0, 30.0)
    assert (policy.retry.max_attempts, policy.retry.base_delay) == (3, 1.0)
    assert (policy.breaker.name, policy.breaker.failure_threshold, policy.breaker.recovery_timeout) == ("shop", 5, 60)
    assert (policy.breaker.timeout, policy.breaker.lease) == (10.0, 15.0)
    assert (policy.key, policy.breaker.result_predicate) == (host_key, is_failure)
    assert (policy.retry.result_predicate, policy.retry.repeatable) == (is_retryable, Repeatable())


def test_http_policy_twice_gives_equal_policies() -> None:
    """Two clients that ask for the same share one policy instead of replacing each other's."""
    assert http_policy("shop") == http_policy("shop")
    assert complete(http_policy("shop")) == http_policy("shop")


def test_http_policy_with_a_longer_limit_gives_probes_as_much_time() -> None:
    """The lease of a probe follows the attempt's limit."""
    given = CircuitBreakerConfig("models")
    for parts in ({}, {"breaker": given}):
        breaker = http_policy("models", timeout=TimeoutConfig(120, 300), **parts).breaker
        assert breaker is not None
        assert breaker.lease == 125.0


@pytest.mark.parametrize(
    ("own", "attempt", "total"), [({"timeout": 5}, 5.0, 30.0), ({"timeout": 45}, 45.0, 45.0), ({}, 30.0, 30.0)]
)
def test_http_policy_with_a_breaker_takes_its_limit(own: Any, attempt: float, total: float) -> None:
    """A breaker's `timeout` limits an attempt unless the policy has limits of its own."""
    limits = http_policy("shop", breaker=CircuitBreakerConfig("shop", **own)).limits
    assert (limits.attempt, limits.total) == (attempt, total)


def test_http_policy_with_parts_left_out_has_none_of_them() -> None:
    """None leaves a part out, and without a breaker there is no key."""
    policy = http_policy("shop", breaker=None, retry=None)
    assert (policy.breaker, policy.retry, policy.key) == (None, None, None)


def test_http_policy_of_a_preset_has_its_parts_and_the_time_limits_of_http() -> None:
    """The limit is one for each host, retries are those that HTTP allows, and parts beside it replace its own."""
    policy = http_policy("shop", preset="goodput")
    assert policy.breaker is not None
    assert policy.retry is not None
    assert policy.retry.budget is not None
    assert (policy.limits.attempt, policy.limits.total, policy.breaker.timeout) == (10.0, 30.0, 10.0)
    assert (policy.breaker.recovery_timeout, policy.retry.base_delay) == (5.0, 0.1)
    assert (policy.key, policy.retry.repeatable, policy.breaker.result_predicate) == (
        host_key,
        Repeatable(),
        is_failure,
    )
    assert (policy.limit, policy.throttle) == (AdaptiveLimitConfig(), ThrottleConfig())
    assert http_policy("shop", preset="goodput", throttle=None).throttle is None
    with pytest.raises(ConfigError, match="preset='goodputt': must be one of the known presets: goodput"):
        http_policy("shop", preset="goodputt")


def test_http_policy_with_a_limit_alone_has_one_for_each_host() -> None:
    """Hosts differ in what they can do, with a circuit and without one."""
    assert http_policy("shop", breaker=None, limit=AdaptiveLimitConfig()).key is host_key


def test_http_policy_with_bad_values_names_them() -> None:
    """Bad input is refused as everywhere."""
    with pytest.raises(ConfigError) as caught:
        http_policy("", timeout=-1)
    assert {violation.field for violation in caught.value.violations} >= {"name"}


def test_complete_keeps_what_the_user_has_said() -> None:
    """Own predicates, keys and exceptions stay; only the gaps are filled."""
    policy = complete(
        Policy(
            "shop",
            breaker=CircuitBreakerConfig("shop", result_predicate=bool, failure_exceptions=[KeyError]),
            retry=RetryConfig(retry_after=float, repeatable=callable),
            fallback=FallbackConfig(Value(None)),
            key=str,
        )
    )
    assert policy.breaker is not None
    assert policy.retry is not None
    assert isinstance(policy.fallback, FallbackConfig)
    assert (policy.key, policy.breaker.result_predicate, policy.breaker.failure_exceptions) == (str, bool, (KeyError,))
    assert (policy.retry.retry_after, policy.retry.repeatable) == (float, callable)
    assert (policy.retry.result_predicate, policy.fallback.result_predicate) == (is_retryable, is_failure)


def test_complete_of_what_leaves_connections_behind_names_every_part() -> None:
    """Hedging, worker threads and kept results do not fit HTTP clients."""
    policy = Policy(
        "shop",
        hedge=HedgeConfig(),
        timeout=TimeoutConfig(1, in_thread=True),
        fallback=FallbackConfig(stale_if_error=60),
    )
    with pytest.raises(ConfigError) as caught:
        complete(policy)
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["hedge", "timeout.in_thread", "fallback.stale_if_error"]


@pytest.mark.parametrize(
    ("error", "counts", "local"),
    [
        (httpx2.ConnectError("x"), True, False),
        (httpx.ReadTimeout("x"), True, False),
        (requests.ConnectionError("x"), True, False),
        (requests.exceptions.ChunkedEncodingError("x"), True, False),
        (ConnectionResetError("x"), True, False),
        (httpx2.PoolTimeout("x"), True, True),
        (httpx.UnsupportedProtocol("x"), True, True),
        (requests.exceptions.InvalidURL("x"), True, True),
        (RuntimeError("the client has been closed"), False, False),
        (FileNotFoundError("no certificates"), False, False),
    ],
)
def test_error_lists_tell_the_servers_errors_from_ours(error: Exception, counts: bool, local: bool) -> None:
    """The names hit the real classes of every client."""
    assert (ErrorMatcher(CONNECTION_ERRORS)(error), ErrorMatcher(LOCAL_ERRORS)(error)) == (counts, local)


@pytest.mark.parametrize("spec", [spec for spec in (*CONNECTION_ERRORS, *LOCAL_ERRORS) if isinstance(spec, str)])
def test_error_lists_name_classes_that_exist(spec: str) -> None:
    """A misspelt name would match nothing and say nothing."""
    module, _, name = spec.rpartition(".")
    kind = getattr(sys.modules[module], name)
    assert f"{kind.__module__}.{kind.__qualname__}" == spec


# --------------------------------------------------------------------------------------------------- small decisions


@pytest.mark.parametrize(
    ("length", "small"),
    [("0", True), ("65536", True), ("65537", False), (None, False), ("-1", False), ("9" * 5000, False)],
)
def test_is_small_needs_an_announced_length(length: str | None, small: bool) -> None:
    """A body of unknown length may be endless."""
    headers = {} if length is None else {"Content-Length": length}
    assert is_small(SimpleNamespace(headers=headers)) is small


@pytest.mark.parametrize(
    ("own", "left", "shortest"), [(None, 2.0, 2.0), (1.0, 2.0, 1.0), (3.0, 2.0, 2.0), (None, 0.0, 0.001)]
)
def test_shorter_takes_the_limit_that_ends_first(own: float | None, left: float, shortest: float) -> None:
    """Zero would mean not to wait at all, which is another thing than hardly any time."""
    assert shorter(own, left) == shortest


def test_integrations_import_no_client() -> None:
    """The package and the rules load none of the libraries; each is loaded by its own module."""
    code = (
        "import sys, scrollintel.integrations, scrollintel.integrations.http_policy, "
        "scrollintel.integrations.httpx_transports;"
        "print(sorted({'httpx', 'httpx2', 'requests', 'urllib3', 'httpcore', 'asyncio'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
