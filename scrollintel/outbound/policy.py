"""Which addresses may be spoken to: an allow-list, checked against what a name resolves to, once, and pinned."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What the operator's file allows checks, webhooks and strategies to reach.

    Arguments:
        hosts: Names, addresses and networks that may be reached; `*.example.com` stands for the names below. Empty
            (default) allows every public address.
        private: Networks of loopback, private and link-local addresses that may be reached besides; none by default.
    """

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
