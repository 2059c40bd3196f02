"""The control plane as a program: settings → a wired control plane → a server."""

from __future__ import annotations

import logging

from .composition import from_settings
from .reloading import Reloading
from .serving import Listening, run
from .settings import Settings
from .telemetry.logs import configure

TELL_INTERVAL = 5.0
"""Seconds between looks for storms of log lines that are over."""

logger = logging.getLogger("scrollintel")


def serve(settings: Settings) -> None:
    """Run the control plane until SIGINT or SIGTERM.

    Raises:
        OSError: when the address cannot be listened on.
    """
    logging_ = settings.logging
    log = configure(logging_.format.value, logging_.level.value, burst=logging_.burst, rate=logging_.rate)
    if not settings.is_access_enforced:
        logger.warning(
            "access control is off: whoever can reach %s:%d on this machine may do everything; "
            "set access.enabled to turn it on",
            settings.server.host,
            settings.server.port,
        )
    use_cases = from_settings(settings)
    Reloading(settings, use_cases).attach()

    async def tell() -> None:
        log.tell()

    use_cases.loops.add("tell what the log has left out", TELL_INTERVAL, tell)
    run(use_cases, listening(settings))


def listening(settings: Settings) -> Listening:
    """Return where the server listens."""
    server = settings.server
    return Listening(
        host=server.host,
        port=server.port,
        directory=settings.directory,
        tls_certificate=server.tls_certificate,
        tls_key=server.tls_key,
        trusted_proxies=server.trusted_proxies,
        allowed_hosts=server.allowed_hosts,
        shutdown_timeout=server.shutdown_timeout,
    )
