"""What a use case refuses, with the status and the stable code under which every edge tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ..core.errors import ScrollIntelError


class RequestError(ScrollIntelError):
    """A request is refused; the text is one sentence for whoever asked.

    Attributes:
        status: HTTP status at the API.
        headers, violations, retry_after: For the answer; seconds, or None.
    """

    code = "invalid_request"
    status: ClassVar[int] = 400

    def __init__(
        self,
        text: str,
        *,
        violations: Iterable[Mapping[str, Any]] = (),  # Any: JSON values
        headers: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.violations = tuple(violations)
        self.headers: Mapping[str, str] = headers or {}
        self.retry_after = retry_after


class UnauthenticatedError(RequestError):
    """Who asks is not known: no token, or one that is not valid."""

    code = "unauthenticated"
    status = 401


class AccessDeniedError(RequestError):
    """Who asks may see the thing but not do this with it."""

    code = "access_denied"
    status = 403


class MissingError(RequestError):
    """There is no such thing, or none that who asks may see."""

    code = "not_found"
    status = 404

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no {kind} is known as {name!r}")


class ConflictError(RequestError):
    """The present state does not allow the change."""

    code = "conflict"
    status = 409


class AlreadyExistsError(ConflictError):
    """A thing of that name exists."""

    code = "already_exists"


class DeclaredInFileError(ConflictError):
    """A configuration file declares the thing, so that only the file may change it."""

    code = "declared_in_file"

    def __init__(self, kind: str, name: str, location: str | None) -> None:
        super().__init__(f"the {kind} {name!r} is declared in {location or 'the configuration file'}; change it there")


class RevisionConflictError(RequestError):
    """The revision that the request is based on is not the present one."""

    code = "revision_conflict"
    status = 412


class PreconditionRequiredError(RequestError):
    """A change of an existing thing must name the revision that it is based on."""

    code = "precondition_required"
    status = 428


class KeyReusedError(RequestError):
    """An idempotency key came with another request before."""

    code = "idempotency_key_reused"
    status = 422


class TooManyRequestsError(RequestError):
    """Too many requests from there; `retry_after` tells when to come back."""

    code = "rate_limited"
    status = 429


class TooManyStreamsError(RequestError):
    """Whoever asks follows as many streams already as one identity may."""

    code = "too_many_streams"
    status = 429


class TooManyListenersError(RequestError):
    """No further listener is admitted now."""

    code = "too_many_listeners"
    status = 503


class NameDiffersError(RequestError):
    """The name in the body is not the one that the request is about."""

    code = "name_differs"
    status = 422

    def __init__(self, kind: str, given: str, wanted: str) -> None:
        super().__init__(f"the {kind} is named {given!r}, and the request is about {wanted!r}")
