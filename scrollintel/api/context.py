"""What a route knows of a request: who asks, the control plane, and how to answer a change."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope

from ..security.access import Permission
from ..service.caller import Caller
from ..service.errors import RequestError
from ..service.plane import Answer, OnceOnly
from ..service.use_cases import UseCases
from ..storage.transaction import Transaction
from .strict_json import StrictRequest

PREFIX = "/api/v1/fault-tolerance"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class BadKeyError(RequestError):
    """The idempotency key is none."""

    code = "invalid_idempotency_key"


class Ask(StrictRequest):
    """One request on its way through a route; FastAPI hands it over as it does any request.

    Arguments:
        scope, receive: As of any request.
        caller: Who asks; the route's permission has been checked.
        use_cases: The use cases.
    """

    def __init__(self, scope: Scope, receive: Receive, caller: Caller, use_cases: UseCases) -> None:
        super().__init__(scope, receive)
        self.caller = caller
        self.use_cases = use_cases

    async def change(self, decide: Callable[[Transaction], Answer]) -> Response:
        """Make a change and answer with what it returns; honours `Idempotency-Key` on a POST."""
        answer = await self.use_cases.plane.answer(self.caller, decide, await self._once())
        return Response(answer.body, answer.status, dict(answer.headers), media_type="application/json")

    def rendered(self, render: Callable[[], Answer], *permissions: Permission) -> Response:
        """Answer a read, with what was rendered a moment ago for the same request and scope if nothing has changed.

        Arguments:
            render: Makes the answer.
            permissions: Those whose scopes it depends on.
        """
        use_cases, scope = self.use_cases, self.scope
        use_cases.plane.fleet.bring_up_to_date()
        key = (scope["path"], scope["query_string"], *map(self.caller.identity.services_for, permissions))
        given = use_cases.rendered.get(key, render)
        return Response(given.body, given.status, given.headers, media_type="application/json")

    async def _once(self) -> OnceOnly | None:
        if self.method != "POST":
            return None
        key = self.headers.get("idempotency-key")
        if key is None:
            return None
        if _IDEMPOTENCY_KEY.fullmatch(key) is None:
            raise BadKeyError("an idempotency key is 1 to 200 visible ASCII characters")
        target = f"{self.method} {self.url.path}?{self.url.query}\n".encode("utf-8", "surrogateescape")
        return OnceOnly(key, hashlib.sha256(target + await self.body()).hexdigest())

    def path_of(self, *parts: str) -> str:
        """Return the path of a resource of this API, as the application mounts it."""
        path = self.scope.get("root_path", "") + self.url.path
        base, found, _ = path.partition(PREFIX)
        return "/".join([base + PREFIX if found else "", *(quote(part, safe="") for part in parts)])

    def sees(self, permission: Permission) -> Callable[[str | None], bool]:
        """Return a test whether the caller may see what belongs to a service."""
        caller = self.caller
        return lambda service: caller.sees(permission, service)


def answer(status: int, document: Any, *, etag: str | None = None, location: str | None = None) -> Answer:
    """Return an answer with a JSON document; Any: JSON values, datetimes included."""
    headers: dict[str, str] = {}
    if etag is not None:
        headers["ETag"] = etag
    if location is not None:
        headers["Location"] = location
    return Answer(status, to_json(document, inf_nan_mode="null"), headers)


def json_response(document: Any, *, etag: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON document that was read; Any: JSON values, datetimes included."""
    response = Response(to_json(document, inf_nan_mode="null"), media_type="application/json", headers=headers)
    if etag is not None:
        response.headers["ETag"] = etag
    return response
