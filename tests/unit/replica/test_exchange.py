"""HTTP with a control plane that hangs, drips, lies or breaks off: an error code in time, and nothing else."""

from __future__ import annotations

import json
import select
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrollintel.replica.exchange import MAX_REQUEST, Channel, ExchangeError
from scrollintel.replica.protocol import MAX_BODY

from .peers import Connection, Peer, Script, answering, certificate, response

SOON = 0.15
"""Seconds that an exchange may take where it is to end by its deadline."""


def channel(peer: Peer, context: ssl.SSLContext | None = None) -> Channel:
    """Return a channel to a peer that sends a token."""
    return Channel(urlsplit(peer.url), {"Authorization": "Bearer planted"}, context)


def failure(peer: Peer, *, timeout: float = 5.0, context: ssl.SSLContext | None = None) -> str:
    """Return the code with which an exchange ends, which must not outlast its deadline."""
    made = channel(peer, context)
    began = time.monotonic()
    with pytest.raises(ExchangeError) as caught:
        made.call("POST", "/replicas", {}, timeout)
    assert time.monotonic() - began < timeout + 2.0
    assert "planted" not in repr(caught.value)
    made.close()
    return caught.value.code


def test_channel_carries_one_exchange_after_the_other_over_one_connection() -> None:
    """Two requests with a body each and one without answer share the connection."""
    seen: list[tuple[str, bytes]] = []

    def script(connection: Connection) -> None:
        for answer in (response(b'{"a": 1}'), response(b"", "204 No Content"), response()):
            seen.append(connection.request())
            connection.send(answer)

    with Peer(script) as peer:
        made = channel(peer)
        assert made.call("POST", "/replicas", {"x": 1}, 5.0) == {"a": 1}
        assert made.call("POST", "/replicas", {"x": 2}, 5.0) == {}
        assert made.call("DELETE", "/replicas/r", None, 5.0) == {}
        made.close()
        assert peer.connections == 1
    assert [body for _, body in seen] == [b'{"x":1}', b'{"x":2}', b""]
    assert all("authorization: bearer planted" in head.lower() for head, _ in seen)


def hang(connection: Connection) -> None:
    """Read a request and never answer."""
    connection.request()
    connection.ended.wait(20)


def hang_at_once(connection: Connection) -> None:
    """Accept and read nothing."""
    connection.ended.wait(20)


def drip_head(connection: Connection) -> None:
    """Send a head that never ends, byte by byte."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not connection.ended.wait(0.01):
        connection.send(b"x")


def drip_body(connection: Connection) -> None:
    """Send a body that never ends, byte by byte."""
    connection.request()
    connection.send(response(b"{", length=1000))
    while not connection.ended.wait(0.01):
        connection.send(b" ")


def continue_for_ever(connection: Connection) -> None:
    """Promise an answer again and again."""
    connection.request()
    while not connection.ended.wait(0.001):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("script", [hang, hang_at_once, drip_head, drip_body, continue_for_ever])
def test_channel_of_a_peer_that_never_finishes_ends_at_the_deadline(script: Script) -> None:
    """However long bytes keep coming or not coming, the deadline is that of the whole exchange."""
    with Peer(script) as peer:
        assert failure(peer, timeout=SOON) == "timeout"


def test_channel_of_a_peer_that_reads_nothing_ends_at_the_deadline() -> None:
    """A request that does not fit into the buffers of the network waits no longer than the deadline."""
    with Peer(hang_at_once) as peer:
        made = channel(peer)
        with pytest.raises(ExchangeError, match="timeout"):
            made.call("POST", "/replicas", {"x": "y" * (MAX_REQUEST - 100)}, SOON)
        made.close()


def break_off(connection: Connection) -> None:
    """End in the middle of the body."""
    connection.request()
    connection.send(response(b'{"a": ', length=100))


def break_off_in_head(connection: Connection) -> None:
    """End in the middle of the head."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")


def reset(connection: Connection) -> None:
    """Break off with an error in the middle of the body."""
    connection.request()
    connection.send(response(b'{"a": ', length=100))
    connection.reset()


def hang_up(connection: Connection) -> None:
    """End without a word."""
    connection.request()


def flood(connection: Connection) -> None:
    """Send more than anybody may."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n{")
    for _ in range(MAX_BODY // 2**20 + 1):
        connection.send(b" " * 2**20)


def many_headers(connection: Connection) -> None:
    """Send headers without end."""
    connection.request()
    connection.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000 + b"\r\n")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (break_off, {"bad_answer"}),
        (break_off_in_head, {"bad_answer"}),
        (reset, {"unreachable", "bad_answer"}),
        (hang_up, {"unreachable"}),
        (flood, {"bad_answer"}),
        (many_headers, {"bad_answer"}),
        (answering(b"nonsense\r\n\r\n"), {"bad_answer"}),
        (answering(response(b"[]")), {"bad_answer"}),
        (answering(response(b"{")), {"bad_answer"}),
        (answering(response(b'{"a": NaN}')), {"bad_answer"}),
        (answering(response(b"\xff\xfe")), {"bad_answer"}),
        (answering(response(b"[" * 100_000)), {"bad_answer"}),
        (answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), {"bad_answer"}),
    ],
)
def test_channel_of_a_peer_that_breaks_off_or_lies_gives_a_code(script: Script, code: set[str]) -> None:
    """Half an answer, too much of it, or what is no answer is an error code."""
    with Peer(script) as peer:
        assert failure(peer) in code


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("400 Bad Request", "bad_request"),
        ("401 Unauthorized", "unauthenticated"),
        ("403 Forbidden", "access_denied"),
        ("404 Not Found", "not_found"),
        ("409 Conflict", "conflict"),
        ("413 Content Too Large", "body_too_large"),
        ("418 I'm a teapot", "bad_status"),
        ("422 Unprocessable Content", "refused"),
        ("429 Too Many Requests", "too_many_requests"),
        ("500 Internal Server Error", "server_error"),
        ("502 Bad Gateway", "server_error"),
        ("503 Service Unavailable", "unavailable"),
    ],
)
def test_channel_names_what_the_status_says(status: str, code: str) -> None:
    """Each refusal has a code of its own, and the next exchange works."""
    with Peer(answering(response(b"planted", status), response()), answering(response())) as peer:
        made = channel(peer)
        with pytest.raises(ExchangeError) as caught:
            made.call("POST", "/replicas", {}, 5.0)
        assert caught.value.code == code
        assert made.call("POST", "/replicas", {}, 5.0) == {}
        made.close()


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_channel_does_not_follow_a_redirect(status: str) -> None:
    """The token goes to the address that it was given for, and to no other."""
    with Peer(answering(response())) as other:
        with Peer(answering(response(b"", status, f"Location: {other.url}/"))) as peer:
            assert failure(peer) == "redirected"
        assert other.connections == 0


def test_channel_makes_a_connection_anew_that_ended_meanwhile() -> None:
    """A peer that has restarted between two exchanges costs no error."""
    with Peer(answering(response(b'{"n": 1}')), answering(response(b'{"n": 2}'))) as peer:
        made = channel(peer)
        assert made.call("POST", "/replicas", {}, 5.0) == {"n": 1}
        assert made.call("POST", "/replicas", {}, 5.0) == {"n": 2}
        assert peer.connections == 2
        made.close()


def test_channel_hears_a_refusal_that_comes_before_the_request_has_ended() -> None:
    """A server that refuses by the length alone, and hangs up, has told why."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(response(b"", "413 Content Too Large", "Connection: close"))
        connection.sock.shutdown(1)  # SHUT_WR: the rest of the request is still taken from the network
        while connection.sock.recv(65536):
            pass

    with Peer(script) as peer:
        made = channel(peer)
        with pytest.raises(ExchangeError, match="body_too_large"):
            made.call("POST", "/replicas", {"x": "y" * (MAX_REQUEST - 100)}, 5.0)
        made.close()


def test_channel_does_not_send_more_than_the_control_plane_takes() -> None:
    """A message too large is refused here as it would be there, without a byte sent."""
    with Peer(answering(response())) as peer:
        made = channel(peer)
        with pytest.raises(ExchangeError, match="body_too_large"):
            made.call("POST", "/replicas", {"x": "y" * MAX_REQUEST}, 5.0)
        assert peer.connections == 0


def test_channel_sends_texts_that_are_no_unicode_with_a_mark_in_their_place() -> None:
    """A lone surrogate in one text does not make the control plane refuse all of them."""
    seen: list[bytes] = []

    def script(connection: Connection) -> None:
        seen.append(connection.request()[1])
        connection.send(response())

    with Peer(script) as peer:
        made = channel(peer)
        made.call("POST", "/replicas", {"x": "ä\ud800"}, 5.0)
        made.close()
    assert json.loads(seen[0]) == {"x": "ä?"}


def test_channel_tells_without_waiting_whether_an_answer_has_begun() -> None:
    """Nothing has arrived until the first byte has; the end of the connection counts, and is an error."""
    go = threading.Event()

    def script(connection: Connection) -> None:
        connection.request()
        go.wait(20)
        connection.send(response(b'{"a": 1}'))
        connection.request()

    with Peer(script) as peer:
        made = channel(peer)
        assert not made.arrived()
        assert made.fileno() == -1
        made.send("POST", "/listen", {}, 5.0)
        assert not made.arrived()
        go.set()
        _arrival(made)
        assert made.receive(5.0) == {"a": 1}
        made.send("POST", "/listen", {}, 5.0)
        _arrival(made)
        with pytest.raises(ExchangeError, match="unreachable"):
            made.receive(5.0)


def test_channel_to_nobody_is_unreachable() -> None:
    """A port on which nobody listens is an error code."""
    with Peer(hang) as peer:
        pass
    assert failure(peer) == "unreachable"
    with pytest.raises(ExchangeError, match="unreachable"):
        channel(peer).receive(1.0)


def _arrival(made: Channel) -> None:
    """Wait until something has arrived."""
    select.select([made.fileno()], [], [], 5.0)
    end = time.monotonic() + 5.0
    while not made.arrived():  # over TLS, what arrives first says nothing yet
        assert time.monotonic() < end
        select.select([made.fileno()], [], [], 0.1)


# ------------------------------------------------------------------ TLS


def test_channel_trusts_a_certificate_that_it_was_given(tmp_path: Path) -> None:
    """A self-signed certificate in the file of authorities is enough; looking costs nothing over TLS either."""
    public, server = certificate(tmp_path, "127.0.0.1")
    with Peer(answering(response(b'{"a": 1}'), response()), tls=server) as peer:
        made = channel(peer, ssl.create_default_context(cafile=public))
        assert made.call("POST", "/replicas", {}, 5.0) == {"a": 1}
        assert not made.arrived()
        made.send("POST", "/listen", {"x": "y" * 500_000}, 5.0)
        _arrival(made)
        assert made.receive(5.0) == {}
        made.close()


@pytest.mark.parametrize(("address", "known"), [("127.0.0.1", False), ("127.0.0.2", True)])
def test_channel_refuses_a_certificate_that_is_unknown_or_for_another_address(
    tmp_path: Path, address: str, known: bool
) -> None:
    """The token is sent to nobody who cannot show who they are."""
    seen: list[str] = []

    def script(connection: Connection) -> None:
        seen.append(connection.head())

    public, server = certificate(tmp_path, address)
    with Peer(script, tls=server) as peer:
        context = ssl.create_default_context(cafile=public if known else None)
        assert failure(peer, context=context) == "tls"
    assert seen == []


def test_channel_over_tls_to_a_peer_that_speaks_none_gives_a_code(tmp_path: Path) -> None:
    """Plain HTTP in place of a handshake is an error, and a handshake that hangs ends at the deadline."""
    public, _ = certificate(tmp_path, "127.0.0.1")
    context = ssl.create_default_context(cafile=public)

    def plain(connection: Connection) -> None:
        connection.sock.recv(100)
        connection.send(response(b"", "400 Bad Request"))

    with Peer(plain) as peer:
        assert failure(peer, context=context) == "tls"
    with Peer(hang_at_once) as peer:
        assert failure(peer, context=context, timeout=SOON) == "timeout"


# ------------------------------------------------------------------ anything at all


@pytest.fixture(scope="module")
def babbler() -> Iterator[tuple[Peer, list[bytes]]]:
    """Return a peer that answers with the bytes in a list, and hangs up."""
    answer = [b""]

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(answer[0])

    with Peer(script) as peer:
        yield peer, answer


heads = st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 204 \r\n", response(b"")])


@given(head=heads, rest=st.binary(max_size=200))
@settings(max_examples=60)
def test_channel_of_any_bytes_gives_an_object_or_a_code(
    babbler: tuple[Peer, list[bytes]], head: bytes, rest: bytes
) -> None:
    """Whatever comes back, nothing but a JSON object or an ExchangeError leaves the channel."""
    peer, answer = babbler
    answer[0] = head + rest
    made = channel(peer)
    try:
        assert isinstance(made.call("POST", "/replicas", {}, 2.0), dict)
    except ExchangeError as error:
        assert error.code in {"bad_answer", "bad_status", "unreachable", "redirected", "server_error", "timeout"}
    made.close()
