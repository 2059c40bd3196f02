"""Which addresses and names are this machine and no other: trust without a token rests on that."""

from __future__ import annotations

import ipaddress


def is_loopback_address(text: str) -> bool:
    """Tell whether a text is an IP address of this machine's own; no name is one."""
    try:
        return ipaddress.ip_address(text.strip("[]")).is_loopback
    except ValueError:
        return False


def is_this_machine(name: str) -> bool:
    """Tell whether a host is this machine; a host name other than localhost may be anything."""
    return name.lower().removesuffix(".") == "localhost" or is_loopback_address(name)
