"""Whether this machine lets a server listen on an address."""

from __future__ import annotations

import errno
import socket
from typing import NamedTuple


class Obstacle(NamedTuple):
    """Why an address cannot be listened on, and what to do about it."""

    found: str
    todo: str


def obstacle(host: str, port: int) -> Obstacle | None:
    """Return what keeps a server from listening on an address, or None; it is let go at once.

    Arguments:
        host: Name or address of this machine.
        port: TCP port; 0 is any free one.
    """
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            todo = "end it, or choose another port: scrollintel serve --port NUMBER"
            return Obstacle(f"{address} is in use by another program", todo)
        if error.errno in (errno.EACCES, errno.EPERM):
            return Obstacle(f"{address} needs rights that this user does not have", "choose a port above 1023")
        return Obstacle(f"{host} is no address of this machine", "correct server.host, or --host")
    return None
