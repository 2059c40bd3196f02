"""The control plane as `scrollintel serve` offers it: the API, and the dashboard at `/`."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from ..api.application import create_api
from ..api.middleware import AllowedHosts
from ..service.use_cases import UseCases
from .bundle import FOLDER, read_bundle
from .pages import routes


def create_app(
    use_cases: UseCases,
    *,
    hosts: AllowedHosts | None = None,
    admin_socket: str | None = None,
    bundle: Path = FOLDER,
) -> FastAPI:
    """Return the application over a control plane; it starts and stops with the application. Reads the page's files.

    Arguments:
        use_cases: The control plane, not started yet.
        hosts: Whom requests may be addressed to; None (default) leaves that to the server in front.
        admin_socket: Path of the Unix socket that only the owner of this process can open; None when there is none.
        bundle: Folder of the page's files.
    """
    app = create_api(use_cases, hosts=hosts, admin_socket=admin_socket)
    app.router.routes.extend(routes(read_bundle(bundle)))
    return app
