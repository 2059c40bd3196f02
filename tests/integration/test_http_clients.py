"""Protected HTTP clients against a real server: the same promises for every library and colour."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import requests
from urllib3.util import Timeout

from scrollintel import (
    AdaptiveLimitConfig,
    CallTimeoutError,
    CircuitBreakerConfig,
    CircuitOpenError,
    CircuitState,
    ConfigError,
    EventHub,
    FallbackConfig,
    HedgeConfig,
    Policy,
    Registry,
    RetryConfig,
    TimeoutConfig,
    protect,
)
from scrollintel.integrations.http_policy import Repeatable, host_key, http_policy
from scrollintel.integrations.httpx2 import ResilientTransport
from scrollintel.integrations.requests import ResilientAdapter, limited, session
from scrollintel.testing import ManualClock
from tests.integration.http_callers import CALLERS, HTTPX_CALLERS, Caller, Open, opened
from tests.integration.scripted_server import Answer, ScriptedServer, closed_port

BUSY = Answer(503, b"busy")
LARGE = Answer(503, b"x" * 100_000)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """Return a server without a script."""
    server = ScriptedServer()
    yield server
    server.stop()


@pytest.fixture(params=CALLERS)
def kind(request: pytest.FixtureRequest) -> type[Caller]:
    """Return each kind of client in turn."""
    return CALLERS[request.param]


@pytest.fixture
def open_client(kind: type[Caller], registry: Registry) -> Iterator[Open]:
    """Make clients of one kind whose policies follow the manual clock."""
    yield from opened(kind, registry)


@pytest.fixture
def open_timed(kind: type[Caller], hub: EventHub) -> Iterator[Open]:
    """Make clients of one kind whose policies follow real time."""
    yield from opened(kind, Registry(hub=hub))


def shop(threshold: int = 5, **parts: Any) -> Policy:
    """Return a policy for a shop's API."""
    breaker = CircuitBreakerConfig("shop", failure_threshold=threshold, recovery_timeout=60, success_threshold=1)
    return http_policy("shop", **{"breaker": breaker, **parts})


# ---------------------------------------------------------------------------------------------------------- retries


def test_client_503_then_200_is_retried_over_the_same_connection(open_client: Open, server: ScriptedServer) -> None:
    """The body of the failed answer is read, so that its connection serves the retry."""
    server.answer(BUSY)
    assert open_client(shop()).get(server.url) == (200, "ok")
    assert (len(server.seen), server.connections) == (2, 1)


def test_client_503_three_times_returns_the_last_response(open_client: Open, server: ScriptedServer) -> None:
    """An answer is returned, not raised, and its body can be read; each one counted as a failure."""
    server.answer(BUSY, BUSY, BUSY)
    caller = open_client(shop())
    assert caller.get(server.url) == (503, "busy")
    assert len(server.seen) == 3
    tally = caller.pipeline.snapshot().tally
    assert (tally.failures, tally.retries) == (3, 2)


def test_client_post_503_is_sent_once(open_client: Open, server: ScriptedServer) -> None:
    """A method that is not idempotent is not repeated, but its failure counts."""
    server.answer(BUSY)
    caller = open_client(shop())
    assert caller.send("POST", server.url, body=b"order") == (503, "busy")
    assert len(server.seen) == 1
    assert caller.pipeline.snapshot().tally.failures == 1


def test_client_post_reset_connection_is_sent_once(open_client: Open, server: ScriptedServer) -> None:
    """Whether a broken POST took effect is unknown, so it is not repeated."""
    server.answer(Answer(reset=True))
    caller = open_client(shop())
    with pytest.raises(caller.client_error):
        caller.send("POST", server.url, body=b"order")
    assert len(server.seen) == 1


def test_client_post_with_idempotency_key_is_sent_again_in_full(open_client: Open, server: ScriptedServer) -> None:
    """The server can tell the repetition by its key, which stays the same."""
    server.answer(BUSY)
    assert open_client(shop()).send("POST", server.url, body=b"order", Idempotency_Key="7")[0] == 200
    assert [(seen.body, seen.headers["Idempotency-Key"]) for seen in server.seen] == [(b"order", "7")] * 2


def test_client_post_that_retry_methods_names_is_sent_again(open_client: Open, server: ScriptedServer) -> None:
    """Who asks for it gets POST repeated."""
    server.answer(BUSY)
    assert open_client(shop(retry_methods=["GET", "post"])).send("POST", server.url, body=b"query")[0] == 200
    assert len(server.seen) == 2


def test_client_put_with_a_generator_as_body_is_sent_once(open_client: Open, server: ScriptedServer) -> None:
    """A body that is gone after the first attempt cannot be sent again, whatever the method."""
    server.answer(BUSY)
    caller = open_client(shop())
    assert caller.send("PUT", server.url, body=caller.unbuffered([b"one", b"two"]))[0] == 503
    assert [seen.body for seen in server.seen] == [b"onetwo"]


def test_client_retry_after_in_seconds_is_waited_for(
    open_client: Open, server: ScriptedServer, clock: ManualClock
) -> None:
    """The server's wish is longer than the back-off and replaces it."""
    server.answer(Answer(429, headers={"Retry-After": "7"}))
    assert open_client(shop()).get(server.url)[0] == 200
    assert clock.sleeps == [7.0]


def test_client_retry_after_as_date_is_measured_by_the_servers_clock(
    open_client: Open, server: ScriptedServer, clock: ManualClock
) -> None:
    """Nine seconds after the answer's own date are nine seconds, whatever the date is here."""
    headers = {"Date": "Sun, 06 Nov 1994 08:49:28 GMT", "Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}
    server.answer(Answer(503, headers=headers))
    assert open_client(shop()).get(server.url)[0] == 200
    assert clock.sleeps == [9.0]


def test_client_retry_after_beyond_the_deadline_returns_the_response(
    open_client: Open, server: ScriptedServer, clock: ManualClock
) -> None:
    """A wait that ends after the whole call's 30 s is not begun."""
    server.answer(Answer(503, headers={"Retry-After": "31"}))
    assert open_client(shop()).get(server.url)[0] == 503
    assert (len(server.seen), clock.sleeps) == (1, [])


def test_client_connection_reset_is_retried(open_client: Open, server: ScriptedServer) -> None:
    """A broken connection is a failure like any other."""
    server.answer(Answer(reset=True))
    caller = open_client(shop())
    assert caller.get(server.url) == (200, "ok")
    assert caller.pipeline.snapshot().tally.failures == 1


def test_client_refused_connection_raises_the_clients_own_error(open_client: Open) -> None:
    """After three attempts the client's error surfaces unwrapped, with a note."""
    caller = open_client(shop())
    with pytest.raises(caller.refused_error) as caught:
        caller.get(closed_port())
    assert not isinstance(caught.value, CircuitOpenError)
    assert any("gave up after 3 attempts" in note for note in caught.value.__notes__)
    assert caller.pipeline.snapshot().tally.failures == 3


# ---------------------------------------------------------------------------------------------------------- circuits


def test_client_404_and_429_are_no_failures(open_client: Open, server: ScriptedServer) -> None:
    """The server is well: it answers that the request is wrong, or one too many."""
    server.answer(Answer(404), *[Answer(429)] * 3)
    caller = open_client(shop(threshold=1))
    assert [caller.get(server.url)[0], caller.get(server.url)[0]] == [404, 429]
    tally = caller.pipeline.snapshot().tally
    assert (tally.failures, tally.successes) == (0, 4)


def test_client_open_circuit_refuses_this_host_only(
    open_client: Open, server: ScriptedServer, clock: ManualClock
) -> None:
    """Each host has a circuit; the failing one is left alone until its time, then probed and closed."""
    other = ScriptedServer()
    try:
        caller = open_client(shop(threshold=2, retry=None))
        server.answer(Answer(500), Answer(500))
        assert [caller.get(server.url)[0], caller.get(server.url)[0]] == [500, 500]
        with pytest.raises(CircuitOpenError):
            caller.get(server.url)
        assert caller.get(other.url) == (200, "ok")
        assert len(server.seen) == 2
        assert {circuit.key: circuit.state for circuit in caller.pipeline.snapshot().circuits} == {
            server.url: CircuitState.OPEN,
            other.url: CircuitState.CLOSED,
        }
        clock.advance(60)
        assert caller.get(server.url) == (200, "ok")
        assert caller.pipeline.circuit(server.url).state is CircuitState.CLOSED
    finally:
        other.stop()


def test_client_refusal_is_an_error_of_the_client_too(open_client: Open, server: ScriptedServer) -> None:
    """`except` clauses written for the client catch it, it carries the request, and it can be pickled."""
    server.answer(BUSY)
    caller = open_client(shop(threshold=1, retry=None))
    caller.get(server.url)
    with pytest.raises(caller.refused_error) as caught:
        caller.get(server.url)
    error: Any = caught.value
    assert isinstance(error, CircuitOpenError)
    assert (error.source, error.retry_after, error.code) == ("shop", 60.0, "circuit_open")
    assert str(error.request.url).startswith(server.url)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.details == error.details


def test_client_answer_that_opens_the_circuit_is_returned_and_frees_the_connection(
    open_client: Open, server: ScriptedServer
) -> None:
    """Nothing is tried again that is sure to be refused; the only connection serves the next call."""
    server.answer(LARGE)
    caller = open_client(shop(threshold=1))
    assert caller.get(server.url)[0] == 503
    caller.pipeline.circuit(server.url).close()
    assert caller.get(server.url) == (200, "ok")


def test_clients_of_several_libraries_under_one_name_share_circuits(registry: Registry, server: ScriptedServer) -> None:
    """What one library has learned of a host, the others know."""
    callers = [make(shop(threshold=1, retry=None), registry) for make in CALLERS.values()]
    server.answer(BUSY)
    assert callers[0].get(server.url)[0] == 503
    for caller in callers:
        with pytest.raises(CircuitOpenError):
            caller.get(server.url)
        caller.close()
    assert registry.names() == ["shop"]


# ------------------------------------------------------------------------------------------- streams and connections


def test_client_stream_gives_a_large_body_in_pieces(open_client: Open, server: ScriptedServer) -> None:
    """A protected response streams as an unprotected one does, also after a retry that had a large body."""
    server.answer(LARGE, Answer(chunks=(b"one", b"two", b"three")))
    assert open_client(shop()).stream(server.url) == (200, b"onetwothree")


def test_client_stream_of_a_last_failure_can_be_read(open_client: Open, server: ScriptedServer) -> None:
    """Small or large, the body of the answer that is returned is there in full."""
    caller = open_client(shop(threshold=99))
    server.answer(BUSY, BUSY, BUSY, LARGE, LARGE, LARGE)
    assert caller.stream(server.url) == (503, b"busy")
    assert caller.stream(server.url) == (503, LARGE.body)
    assert caller.get(server.url) == (200, "ok")


@pytest.mark.parametrize("kind", HTTPX_CALLERS.values(), ids=HTTPX_CALLERS)
def test_httpx_stream_that_pauses_longer_than_an_attempt_is_not_cut_off(
    open_timed: Open, server: ScriptedServer
) -> None:
    """The attempt ends with the head of the answer; the body is read under the client's own limits."""
    server.answer(Answer(chunks=(b"one", b"two"), pause=0.3))
    assert open_timed(shop(timeout=0.2)).stream(server.url) == (200, b"onetwo")


# ---------------------------------------------------------------------------------------------------------- time limits


def test_client_slow_answer_ends_with_the_attempt_and_counts_as_timeout(
    open_timed: Open, server: ScriptedServer
) -> None:
    """The client allows 30 s, the policy 0.15 s: the client's time-out error comes after 0.15 s."""
    server.answer(Answer(hang=True))
    caller = open_timed(shop(timeout=0.15, retry=None))
    began = time.monotonic()
    with pytest.raises((caller.late_error, CallTimeoutError)) as caught:
        caller.get(server.url)
    assert 0.1 < time.monotonic() - began < 5
    assert isinstance(caught.value, caller.client_error)
    assert caller.pipeline.snapshot().tally.failures == 1


def test_client_slow_answer_is_tried_again(open_timed: Open, server: ScriptedServer) -> None:
    """A hung connection is given up and another one answers."""
    server.answer(Answer(hang=True))
    # On a machine that is busy any attempt may be late, and then the next one answers.
    retry = RetryConfig(max_attempts=20, base_delay=0.01)
    policy = shop(threshold=100, timeout=TimeoutConfig(0.15, 30), retry=retry)
    assert open_timed(policy).get(server.url) == (200, "ok")
    assert len(server.seen) > 1


def test_client_inside_a_protected_call_ends_with_the_outer_deadline(open_timed: Open, server: ScriptedServer) -> None:
    """The time left of the outer call reaches the socket, and no retry begins after it."""
    server.answer(Answer(hang=True), Answer(hang=True))
    caller = open_timed(shop())
    outer = protect("outer", timeout=TimeoutConfig(total=0.15), registry=Registry())
    began = time.monotonic()
    with pytest.raises((caller.late_error, CallTimeoutError)):
        caller.under(outer, server.url)
    assert time.monotonic() - began < 5
    assert len(server.seen) == 1


# ---------------------------------------------------------------------------------------------------------- policies


def test_client_fallback_answers_for_a_503(kind: type[Caller], open_client: Open, server: ScriptedServer) -> None:
    """A fallback's response takes the place of the last bad one, whose connection is freed."""
    made: Any = requests.Response() if kind is CALLERS["requests"] else kind.module.Response(203, text="kept")  # type: ignore[attr-defined]  # only the httpx kinds have it
    if isinstance(made, requests.Response):
        made.status_code, made._content = 203, b"kept"
    server.answer(LARGE)
    caller = open_client(shop(retry=None, fallback=FallbackConfig(lambda: made)))
    assert caller.get(server.url) == (203, "kept")
    assert caller.get(server.url) == (200, "ok")


def test_client_policy_replaced_without_hooks_still_sends_a_post_once(
    open_client: Open, server: ScriptedServer, registry: Registry
) -> None:
    """A configuration from outside holds data only; the rules of HTTP, and those given in code, stay in force."""
    caller = open_client(shop(retry_methods=["GET"]))
    registry.replace(Policy("shop", breaker=CircuitBreakerConfig("shop"), retry=RetryConfig(4)))
    server.answer(BUSY)
    assert caller.send("POST", server.url, body=b"order")[0] == 503
    server.answer(BUSY)
    assert caller.get(server.url)[0] == 200
    assert len(server.seen) == 3
    assert caller.pipeline.policy.key is host_key
    assert caller.pipeline.policy.retry is not None
    assert caller.pipeline.policy.retry.max_attempts == 4
    assert caller.pipeline.policy.retry.repeatable == Repeatable(frozenset({"GET"}))


def test_client_policy_replaced_by_one_that_does_not_fit_is_taken_back(
    open_client: Open, server: ScriptedServer, registry: Registry
) -> None:
    """Hedging would leave connections behind: the former policy stays in force, and a warning says so."""
    policy = shop()
    caller = open_client(policy)
    registry.replace(Policy("shop", hedge=HedgeConfig()))
    with pytest.warns(RuntimeWarning, match=r"former policy stays in force.*hedge"):
        assert caller.get(server.url)[0] == 200
    assert caller.pipeline.policy == policy


def test_client_name_alone_takes_the_registered_policy(open_client: Open, registry: Registry) -> None:
    """A transport under a known name joins it; an unknown name gets the defaults for HTTP."""
    known = open_client(shop(threshold=9)).pipeline
    assert open_client("shop").pipeline is known
    assert open_client("another").pipeline.policy == http_policy("another")
    assert registry.names() == ["another", "shop"]


def test_transport_takes_a_pipeline(registry: Registry) -> None:
    """What `protect` returns can be given as it is, and is completed as a policy is."""
    known = registry.pipeline(Policy("shop", retry=RetryConfig(), limit=AdaptiveLimitConfig()))
    transport = ResilientTransport(policy=known, registry=registry)
    assert transport.pipeline is known
    assert known.policy.retry is not None
    assert known.policy.retry.repeatable == Repeatable()
    assert known.policy.key is host_key


@pytest.mark.parametrize("wrong", [7, None, print])
def test_transport_with_something_else_than_a_policy_says_what_is_allowed(registry: Registry, wrong: Any) -> None:
    """The value and what may stand in its place are named."""
    with pytest.raises(ConfigError, match="must be a Policy, the name of one, or a Pipeline"):
        ResilientTransport(policy=wrong, registry=registry)
    assert registry.names() == []


def test_transport_with_hedging_is_refused(registry: Registry) -> None:
    """What does not fit is refused when the transport is made, and nothing is registered."""
    with pytest.raises(ConfigError, match="hedge"):
        ResilientTransport(policy=Policy("shop", hedge=HedgeConfig()), registry=registry)
    assert registry.names() == []


# ---------------------------------------------------------------------------------------------- one library by itself


def test_transport_wrapping_nothing_makes_a_plain_transport_and_closes_it(
    registry: Registry, server: ScriptedServer
) -> None:
    """The short form needs no transport; leaving the client closes it."""
    with httpx2.Client(transport=ResilientTransport(registry=registry), trust_env=False) as client:
        assert client.get(server.url).text == "ok"
    assert registry.names() == ["http"]


def test_httpx_unsupported_scheme_counts_for_nothing(registry: Registry) -> None:
    """A request that is wrong by itself is neither retried nor held against a host."""
    client = httpx2.Client(transport=ResilientTransport(policy=shop(), registry=registry))
    with client, pytest.raises(httpx2.UnsupportedProtocol):
        client.get("gopher://127.0.0.1/")
    tally = registry.get("shop").snapshot().tally
    assert (tally.failures, tally.retries, tally.ignored) == (0, 0, 1)


def test_requests_session_survives_pickling(server: ScriptedServer) -> None:
    """A session that comes out of another process is still protected, by the same policy."""
    with session(http_policy("pickled"), registry=Registry()) as first:
        copied = pickle.loads(pickle.dumps(first))
    with copied:
        copied.trust_env = False
        assert copied.get(server.url).text == "ok"
        adapter = copied.get_adapter(server.url)
        assert isinstance(adapter, ResilientAdapter)
        assert adapter.pipeline.policy == http_policy("pickled")
        assert adapter.pipeline.snapshot().tally.successes == 1


@pytest.mark.parametrize(
    ("own", "capped"),
    [
        (None, Timeout(connect=None, read=None, total=2.0)),
        (1.0, Timeout(connect=1.0, read=1.0, total=2.0)),
        ((5.0, None), Timeout(connect=5.0, read=None, total=2.0)),
        (Timeout(connect=3, read=4), Timeout(connect=3, read=4, total=2.0)),
        (Timeout(total=1.5), Timeout(total=1.5)),
    ],
)
def test_requests_limits_are_capped_by_the_time_left(own: Any, capped: Timeout) -> None:
    """Whatever form the caller's limits have, the attempt gets no more than what is left."""
    assert str(limited(own, 2.0)) == str(capped)
    assert limited(own, None) is own
