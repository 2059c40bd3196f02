"""Errors as problem documents (RFC 9457): one table from error to status, one shape for every answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import HTTPException, RequestValidationError
from pydantic import BaseModel
from starlette.responses import Response

from ..core.errors import ConfigError, NotFoundError, ScrollIntelError, Violation
from ..service.errors import RequestError

MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request", "The request cannot be read"),
    401: ("unauthenticated", "Who you are is not known"),
    403: ("access_denied", "You may not do this"),
    404: ("not_found", "There is no such thing"),
    405: ("method_not_allowed", "The method is not offered here"),
    406: ("not_acceptable", "None of the accepted representations is offered"),
    409: ("conflict", "The present state does not allow it"),
    412: ("revision_conflict", "It has been changed meanwhile"),
    413: ("body_too_large", "The request body is too large"),
    415: ("unsupported_media_type", "The request body is not JSON"),
    422: ("validation_failed", "The request is not valid"),
    428: ("precondition_required", "Say which revision you are changing"),
    429: ("rate_limited", "Too many requests"),
    500: ("internal_error", "The request failed inside the control plane"),
    503: ("store_unavailable", "Changes cannot be written now"),
}
"""Default code and title of every status that the API answers errors with."""


class ProblemViolation(BaseModel):
    """One rule that a request breaks."""

    field: str
    value: Any = None
    allowed: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    violations: list[ProblemViolation] | None = None
    request_id: str | None = None


def _described(status: int, title: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": title, "model": Problem, "content": {MEDIA_TYPE: {"schema": schema}}}


PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    status: _described(status, title) for status, (_, title) in TITLES.items() if status not in (405, 406, 500)
}
"""The errors that any route may answer, for the description of the API."""


def problem(
    status: int,
    *,
    code: str | None = None,
    detail: str | None = None,
    violations: Iterable[Mapping[str, Any]] = (),  # Any: JSON values
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """Return a problem document.

    Arguments:
        status: HTTP status.
        code: Stable text for programs; that of the status by default.
        detail: One sentence for people.
        violations: For invalid input, every rule that is broken.
        headers: Further headers, such as `Retry-After`.
        request_id: The number under which logs and audit know the request.
    """
    default_code, title = TITLES.get(status, ("error", "The request failed"))
    chosen = code or default_code
    body: dict[str, Any] = {"type": f"urn:scrollintel:problem:{chosen}", "title": title, "status": status}
    body["code"] = chosen
    if detail:
        body["detail"] = detail
    listed = list(violations)
    if listed:
        body["violations"] = listed
    if request_id is not None:
        body["request_id"] = request_id
    content = json.dumps(body, separators=(",", ":")).encode()
    return Response(content, status, dict(headers or {}), media_type=MEDIA_TYPE)


def problem_of(error: Exception, request_id: str | None = None) -> Response | None:
    """Return the problem document of an error that the API knows, or None for one that is a bug."""
    if isinstance(error, RequestError):
        headers = dict(error.headers)
        if error.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(error.retry_after)))
        return problem(
            error.status,
            code=error.code,
            detail=str(error),
            violations=error.violations,
            headers=headers,
            request_id=request_id,
        )
    if isinstance(error, ConfigError):
        return problem(
            422,
            detail=f"{error.subject} is not valid",
            violations=[violation_document(violation) for violation in error.violations],
            request_id=request_id,
        )
    if isinstance(error, NotFoundError):
        return problem(404, detail=str(error), request_id=request_id)
    if isinstance(error, RequestValidationError):
        return _of_validation(error, request_id)
    if isinstance(error, HTTPException):
        return problem(
            error.status_code, detail=str(error.detail), headers=dict(error.headers or {}), request_id=request_id
        )
    retry_after = getattr(error, "retry_after", None)
    if isinstance(error, ScrollIntelError) and error.code in {"store_unavailable", "store_full", "standby"}:
        headers = {"Retry-After": str(max(1, round(retry_after or 1.0)))}
        return problem(503, code=error.code, detail=str(error), headers=headers, request_id=request_id)
    return None


def violation_document(violation: Violation, prefix: str = "") -> dict[str, Any]:
    """Return a violation as JSON values; long and odd values are shown by their kind alone."""
    value = violation.value
    shown: Any = value if value is None or isinstance(value, bool | int) else None
    if isinstance(value, str) and len(value) <= 80 and value.isprintable():
        shown = value
    elif isinstance(value, float) and value == value and abs(value) != float("inf"):
        shown = value
    if isinstance(shown, int) and not isinstance(shown, bool) and abs(shown) > 2**53:
        shown = None
    return {"field": prefix + violation.field[:200], "value": shown, "allowed": violation.allowed}


def _of_validation(error: RequestValidationError, request_id: str | None) -> Response:
    """Translate what FastAPI found; configurations carry their own violations along."""
    violations: list[dict[str, Any]] = []
    malformed = False
    for item in error.errors():
        place = [str(part) for part in item.get("loc", ())]
        nested = item.get("ctx", {}).get("config_error")
        if item.get("type") == "json_invalid":
            malformed = True
        elif isinstance(nested, ConfigError):
            prefix = "".join(f"{part}." for part in place[1:])
            violations += [violation_document(violation, prefix) for violation in nested.violations]
        else:
            field = ".".join(place[1:]) or (place[0] if place else "body")
            violations.append({"field": field[:200], "value": None, "allowed": _allowed(item)[:300]})
    if malformed:
        return problem(400, code="malformed_json", detail="the body is not JSON", request_id=request_id)
    return problem(422, violations=violations, request_id=request_id)


_RULES: Mapping[str, str] = {
    "missing": "given",
    "extra_forbidden": "left out: there is no such field",
    "string_too_short": "text of at least {min_length} characters",
    "string_too_long": "text of at most {max_length} characters",
    "string_pattern_mismatch": "text that matches {pattern}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "greater_than_equal": "at least {ge}",
    "greater_than": "greater than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
"""Pydantic's kinds of errors → what would be allowed, to be read after "must be"."""


def _allowed(item: Mapping[str, Any]) -> str:  # Any: JSON values
    """Return what a field may be, in the words that rules of our own have."""
    rule = _RULES.get(str(item.get("type")))
    if rule is not None:
        return rule.format_map(item.get("ctx", {}))
    text = str(item.get("msg", ""))
    for beginning in ("Input should be ", "Value error, ", "must be "):
        text = text.removeprefix(beginning)
    return text
