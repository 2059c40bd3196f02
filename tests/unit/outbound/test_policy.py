"""Which addresses may be spoken to."""

from __future__ import annotations

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.outbound import policy as policies
from scrollintel.outbound.policy import OutboundPolicy, OutboundRefusedError, is_public

FORBIDDEN = (
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0", "0.0.0.0", "10.0.0.1", "172.16.0.1",
    "192.168.1.1", "169.254.169.254", "169.254.169.254.", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::",
    "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "a@127.0.0.1", "a b", "a\r\nb", "",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "loc\u0430lhost", "127\u30020\u30020\u30021", "[::1]", "a/b", "a#b",
)  # fmt: skip


@pytest.mark.parametrize("host", FORBIDDEN)
def test_permit_of_what_is_not_public_or_not_a_host_is_refused(host: str) -> None:
    """Every spelling of an inner address is refused before anything is resolved or connected."""
    with pytest.raises(OutboundRefusedError) as caught:
        OutboundPolicy().permit(host, 80)
    assert caught.value.code == "outbound_refused"


def test_permit_of_a_name_that_resolves_to_loopback_is_refused() -> None:
    """What a name stands for counts, not how it looks."""
    with pytest.raises(OutboundRefusedError, match="not public"):
        OutboundPolicy(hosts=("localhost",)).permit("localhost", 80)


def test_permit_of_a_private_network_that_is_listed_is_pinned() -> None:
    """The operator's file opens exactly what it names."""
    policy = OutboundPolicy(private=("127.0.0.0/8",))
    assert policy.permit("127.0.0.1", 80).address == "127.0.0.1"
    with pytest.raises(OutboundRefusedError):
        policy.permit("10.0.0.1", 80)


def test_permit_of_a_name_whose_answer_changes_asks_once_and_keeps_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers publicly first and privately later has no second chance."""
    answers = iter(["93.184.216.34", "127.0.0.1"])
    asked = []

    def resolver(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert OutboundPolicy().permit("rebind.example.com", 80).address == "93.184.216.34"
    assert asked == ["rebind.example.com"]


def test_pin_of_a_name_with_one_forbidden_address_is_refused_as_a_whole() -> None:
    """One inner address among public ones suffices."""
    with pytest.raises(OutboundRefusedError):
        OutboundPolicy().pin("mixed.example.com", 80, ["93.184.216.34", "10.0.0.1"])


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_pin_of_a_wrapped_address_is_never_more_generous_than_of_the_plain_one(number: int) -> None:
    """Mapped, 6to4 and NAT64 forms of an inner address are refused like the address itself."""
    plain = ipaddress.IPv4Address(number)
    forms = (0xFFFF << 32 | number, 0x2002 << 112 | number << 80, 0x64FF9B << 96 | number)
    if is_public(plain):
        return
    for text in (str(plain), *(str(ipaddress.IPv6Address(form)) for form in forms)):
        with pytest.raises(OutboundRefusedError):
            OutboundPolicy().pin("name.example.com", 80, [text])


@given(st.text(max_size=40))
def test_permit_of_any_literal_text_never_reaches_an_inner_address(host: str) -> None:
    """Whatever is written as an address is public or refused; names are left to the resolver."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not is_public(address):
        with pytest.raises(OutboundRefusedError):
            OutboundPolicy().permit(host, 80)


def test_permit_where_the_resolver_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy's thread is not held up by a name server that does not answer."""
    over = threading.Event()

    def resolver(*_: object, **__: object) -> list[tuple[object, ...]]:
        over.wait(20.0)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(policies, "RESOLVE_TIMEOUT", 0.05)
    with pytest.raises(TimeoutError):
        OutboundPolicy().permit("slow.example.com", 80)
    over.set()
