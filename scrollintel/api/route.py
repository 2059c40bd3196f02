"""What every route of the API does before and after its own work: who asks, may they, and errors as problems."""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from functools import cached_property
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from ..core.errors import ScrollIntelError
from ..security.access import Permission
from .context import PREFIX, Ask
from .gate import admit, use_cases_of, visitor
from .problems import PROBLEMS, problem, problem_of
from .strict_json import check_body

_REQUEST_PREFIX = secrets.token_hex(6)
_REQUEST_NUMBERS = itertools.count(1)


def next_request_id() -> str:
    """Return a number that no other request of this or another process has."""
    return f"{_REQUEST_PREFIX}-{next(_REQUEST_NUMBERS):x}"


F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

PERMISSION = "__scrollintel_permission__"
UNATTENDED = "__scrollintel_unattended__"


class Anybody(Enum):
    """Stands for the permission of a route that asks for none."""

    MAY_ASK = "none"


logger = logging.getLogger("scrollintel.api")


def requires(permission: Permission | Anybody, *, unattended: bool = False) -> Callable[[F], F]:
    """Declare the permission that a route needs; a route without one cannot be built.

    Arguments:
        permission: What who asks must be allowed somewhere, or `Anybody.MAY_ASK`.
        unattended: Whether programs ask by themselves, so that a request does not show that somebody is there.
    """

    def mark(endpoint: F) -> F:
        setattr(endpoint, PERMISSION, permission)
        setattr(endpoint, UNATTENDED, unattended)
        return endpoint

    return mark


class UndeclaredPermissionError(TypeError):
    """A route does not say which permission it needs."""


def resource_router(tag: str) -> APIRouter:
    """Return the router of one kind of resource, with the errors that every route of it may answer."""
    return APIRouter(prefix=PREFIX, route_class=ControlRoute, tags=[tag], responses=dict(PROBLEMS))


class ControlRoute(APIRoute):
    """A route of the control plane.

    Before its endpoint it finds out who asks and whether they may; what goes wrong becomes a problem document here,
    so that the router behaves the same inside any application.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as any route does, after a glance at the fixed parts of the path: there are sixty routes to try."""
        path = scope.get("path", "")
        beginning, end = self._fixed
        if beginning not in path or not path.endswith(end):
            return Match.NONE, {}
        return super().matches(scope)

    @cached_property
    def _fixed(self) -> tuple[str, str]:
        """What stands before the first and after the last parameter, without what an application may put in front."""
        beginning, _, _ = self.path.partition("{")
        place = beginning.find(PREFIX)
        return "" if place < 0 else beginning[place:], self.path.rpartition("}")[2]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler that checks access first and translates errors last."""
        permission = getattr(self.endpoint, PERMISSION, None)
        if not isinstance(permission, Permission | Anybody):
            raise UndeclaredPermissionError(f"the route {self.path} declares no permission")
        inner = super().get_route_handler()
        has_body = self.body_field is not None
        unattended = getattr(self.endpoint, UNATTENDED, False)

        async def handle(request: Request) -> Response:
            request_id = next_request_id()
            try:
                use_cases = await use_cases_of(request)
                if isinstance(permission, Anybody):
                    caller = await visitor(use_cases, request, request_id)
                else:
                    caller = await admit(use_cases, request, permission, request_id, unattended=unattended)
                inbound = Ask(request.scope, request.receive, caller, use_cases)
                if has_body:
                    await check_body(inbound)
                response = await inner(inbound)
                if not use_cases.plane.serving:
                    response.headers["X-ScrollIntel-Stale"] = use_cases.plane.staleness()
            except (ScrollIntelError, RequestValidationError, HTTPException) as error:
                translated = problem_of(error, request_id)
                response = _failed(error, request_id) if translated is None else translated
            except Exception as error:
                response = _failed(error, request_id)
            response.raw_headers.append((b"x-request-id", request_id.encode()))
            return response

        return handle


def _failed(error: Exception, request_id: str) -> Response:
    """Log a bug under the request's number, and tell the caller no more than that number."""
    logger.error("request %s failed: %s", request_id, type(error).__name__, exc_info=error)
    return problem(500, detail="look for the request's number in the log", request_id=request_id)
