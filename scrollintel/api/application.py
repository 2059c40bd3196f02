"""The control plane as an application of its own: the router, liveness, readiness, and errors of unknown paths."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import HTTPException
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from ..service.use_cases import UseCases
from ..storage.writer import WriterState
from .description import describe
from .gate import STATE
from .middleware import AllowedHosts, Guardrails
from .problems import problem
from .routes import scrape
from .routes.fault_tolerance_routes import router

LIVE = b'{"status":"alive"}'


def create_api(use_cases: UseCases, *, hosts: AllowedHosts | None = None, admin_socket: str | None = None) -> FastAPI:
    """Return the application over a control plane; it starts and stops with the application.

    Arguments:
        use_cases: The control plane, not started yet.
        hosts: Whom requests may be addressed to; None (default) leaves that to the server in front.
        admin_socket: Path of the Unix socket that only the owner of this process can open; None when there is none.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await use_cases.start()
        try:
            yield
        finally:
            await use_cases.stop()

    async def live(request: Request) -> Response:
        return Response(LIVE, media_type="application/json")

    async def ready(request: Request) -> Response:
        state = use_cases.plane.writer.state
        plane = use_cases.plane
        ready = state is WriterState.SERVING and plane.distrust is None and not plane.database.full
        status = "ready" if ready else "standby" if state is WriterState.STANDBY else "not_ready"
        content = f'{{"status":"{status}","storage":"{state.value}"}}'
        headers = {} if ready else {"Retry-After": "1"}
        return Response(content, 200 if ready else 503, headers, media_type="application/json")

    app = FastAPI(
        title="ScrollIntel Fault Tolerance",
        version="1",  # of the interface; which one of the product it is concerns nobody unknown
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
    )
    app.router.routes.insert(0, Route("/livez", live, methods=["GET"]))
    app.router.routes.insert(1, Route("/readyz", ready, methods=["GET"]))
    app.router.routes.extend(scrape.router.routes)
    app.router.routes.extend(router.routes)
    setattr(app.state, STATE, use_cases)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the description
    app.add_exception_handler(StarletteHTTPException, _http_problem)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_middleware(Guardrails, hosts=hosts, admin_socket=admin_socket)
    return app


async def _http_problem(request: Request, error: Exception) -> Response:
    """Answer what no route has answered, such as an unknown path, in the form of all other errors."""
    assert isinstance(error, StarletteHTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_offered(request))
    return problem(error.status_code, headers=headers)


def _offered(request: Request) -> list[str]:
    """Return the methods that a path offers, over all of its routes."""
    routes = [route for route in request.app.router.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    literal = [route for route in matching if route.path == request.url.path]
    return sorted({method for route in literal or matching for method in route.methods or ()})
