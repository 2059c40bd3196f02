"""The control plane as a program: settings → a wired control plane → a server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .composition import from_settings
from .control.incidents import INCIDENTS
from .control.records import RecoveryOperationRecord
from .core.errors import ConfigError, Violation
from .reloading import Reloading
from .security.access import LOCAL_OPERATOR
from .service.caller import Caller
from .service.use_cases import UseCases
from .serving import Listening, run
from .settings import Settings
from .telemetry.exposition import Family
from .telemetry.logs import configure
from .telemetry.platform_families import CONTROL_PLANE

if TYPE_CHECKING:
    from .telemetry.otel.export import Export

TELL_INTERVAL = 5.0
"""Seconds between looks for storms of log lines that are over."""
READ_TIMEOUT = 5.0
"""Seconds that the event loop may take to read the metrics for an export."""

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
    export = exporting(settings, use_cases)
    try:
        run(use_cases, listening(settings))
    finally:
        if export is not None:
            export.stop()


def exporting(settings: Settings, use_cases: UseCases) -> Export | None:
    """Return what exports through OpenTelemetry, which has begun; None when nothing is to be exported.

    Raises:
        ConfigError: when something is, and the extra `otel` is not installed.
    """
    wanted = settings.opentelemetry
    if not wanted.traces and not wanted.metrics:
        return None
    try:
        from .telemetry.otel.export import Export
    except ImportError as error:
        name = "opentelemetry.traces" if wanted.traces else "opentelemetry.metrics"
        allowed = 'false, because the extra is not installed (pip install "scrollintel[otel]")'
        raise ConfigError("settings", [Violation(name, True, allowed)]) from error
    export = Export()
    if wanted.traces:
        spans, heard = export.traces(), use_cases.recovery.on_ended

        def ended(record: RecoveryOperationRecord) -> None:
            heard(record)
            incident = record.incident and use_cases.automation.keeper.find(INCIDENTS.name, record.incident)
            spans.ended(record, incident or None)

        use_cases.recovery.on_ended = ended
    if wanted.metrics:
        caller = Caller(LOCAL_OPERATOR)

        def families() -> list[Family]:
            return use_cases.plane.ask_loop(lambda: use_cases.metrics.families(caller), READ_TIMEOUT)

        export.metrics(CONTROL_PLANE, families)
    return export


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
