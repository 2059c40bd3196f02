"""This library's errors as errors of each client."""

from __future__ import annotations

import pickle
from typing import Any

import httpx
import httpx2
import pytest
import requests

import scrollintel.integrations.httpx as protected_httpx
import scrollintel.integrations.httpx2 as protected_httpx2
import scrollintel.integrations.requests as protected_requests
from scrollintel import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitIsolatedError,
    CircuitOpenError,
    CircuitRampingError,
    DeadlineExceededError,
    FailureSummary,
    RateLimitedError,
    RejectedError,
    ScrollIntelError,
)
from scrollintel.core.errors import ERROR_CODES

ERRORS: list[ScrollIntelError] = [
    CircuitOpenError("shop", 12.0, FailureSummary("ConnectError", "text", 5.0)),
    CircuitIsolatedError("shop", None, None, "host=a"),
    CircuitRampingError("shop", 0.5),
    BulkheadFullError("shop"),
    RateLimitedError("shop", 2.0),
    DeadlineExceededError("shop"),
    CallTimeoutError("shop", 0.5),
]
CLIENTS: list[tuple[Any, type[Exception], type[Exception]]] = [
    (protected_httpx2.ERRORS, httpx2.TransportError, httpx2.TimeoutException),
    (protected_httpx.ERRORS, httpx.TransportError, httpx.TimeoutException),
    (protected_requests.ERRORS, requests.ConnectionError, requests.Timeout),
]


@pytest.mark.parametrize(("errors", "refused", "late"), CLIENTS, ids=["httpx2", "httpx", "requests"])
@pytest.mark.parametrize("kind", [kind for kind in ERROR_CODES.values() if issubclass(kind, RejectedError)])
def test_client_errors_know_every_refusal(
    errors: Any, refused: type[Exception], late: type[Exception], kind: type[RejectedError]
) -> None:
    """Whichever layer refuses, code that catches the client's errors catches it."""
    assert isinstance(errors.translate(kind("shop", 1.0), object()), refused | late)


@pytest.mark.parametrize(("errors", "refused", "late"), CLIENTS, ids=["httpx2", "httpx", "requests"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_client_errors_translate_keeps_everything_and_adds_the_clients_class(
    errors: Any, refused: type[Exception], late: type[Exception], error: ScrollIntelError
) -> None:
    """Both classes, same text, code and details, the notes, the request; and pickle brings it back without that."""
    error = type(error)(*error.__reduce__()[1])
    error.add_note("gave up after 3 attempts")
    request = object()
    translated = errors.translate(error, request)
    expected = late if isinstance(error, CallTimeoutError | DeadlineExceededError) else refused
    assert isinstance(translated, type(error))
    assert isinstance(translated, expected)
    assert (str(translated), translated.code, translated.details) == (str(error), error.code, error.details)
    assert translated.request is request
    assert translated.__notes__ == ["gave up after 3 attempts"]
    again = pickle.loads(pickle.dumps(translated))
    assert (type(again), str(again), again.details) == (type(translated), str(error), error.details)


@pytest.mark.parametrize("errors", [errors for errors, _, _ in CLIENTS], ids=["httpx2", "httpx", "requests"])
def test_client_errors_translate_leaves_translated_errors_alone(errors: Any) -> None:
    """A transport around a protected transport passes its errors on."""
    once = errors.translate(CircuitOpenError("shop"), object())
    assert errors.translate(once, object()) is once


def test_client_errors_are_importable_by_name() -> None:
    """The module that owns a class has it under its name."""
    kind = protected_httpx2.ERRORS.classes["CircuitOpenTransportError"]
    assert getattr(protected_httpx2, "CircuitOpenTransportError") is kind  # noqa: B009 - the name is made at import
    assert kind.__module__ == "scrollintel.integrations.httpx2"
