"""Requests as bytes: what could be read as something else is refused."""

from __future__ import annotations

import pytest

from scrollintel.outbound.messages import Exchange, HttpError, place_of
from scrollintel.outbound.policy import OutboundRefusedError

PLACE = place_of("http://example.com/path?x=1")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "http://user:pass@example.com/",
        "http://example.com/\r\nHost: other", "http://example.com/a b", "http:///x", "//example.com/", "http://a:99999/",
        "http://ex\u0430mple.com/", "http://example.com/\x00",
    ],
)  # fmt: skip
def test_place_of_a_url_that_is_not_plain_http_is_refused(url: str) -> None:
    """Other schemes, names and passwords, line ends and spaces are refused."""
    with pytest.raises(OutboundRefusedError):
        place_of(url)


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\x00b", "\x7f"])
def test_exchange_with_a_header_that_begins_another_one_is_refused(value: str) -> None:
    """A line end in a value would begin the next header."""
    with pytest.raises(OutboundRefusedError):
        Exchange("GET", PLACE, {"X-Test": value}, b"", 10)


@pytest.mark.parametrize("method", ["GET /x", "get", "GET\r\n", "", "CONNECT"])
def test_exchange_with_a_method_that_is_none_or_makes_a_tunnel_is_refused(method: str) -> None:
    """A method is one word, and none that turns the connection into a tunnel."""
    with pytest.raises(OutboundRefusedError):
        Exchange(method, PLACE, {}, b"", 10)


def test_feed_of_an_answer_that_switches_protocols_is_no_http() -> None:
    """A server that leaves HTTP is an error at once, and nobody waits for it."""
    exchange = Exchange("GET", PLACE, {"Upgrade": "other", "X": "1"}, b"", 10)
    with pytest.raises(HttpError):
        exchange.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")


def test_feed_of_a_body_over_the_cap_keeps_the_cap() -> None:
    """No more of the body is kept than was asked for."""
    exchange = Exchange("GET", PLACE, {}, b"", 10)
    assert exchange.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 50_000)
    answer = exchange.response(0.1, None)
    assert (answer.status, answer.body, answer.truncated) == (200, b"x" * 10, True)
