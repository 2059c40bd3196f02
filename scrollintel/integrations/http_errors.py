"""This library's errors as errors of an HTTP client, so that code that catches the client's catches them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.errors import (
    ERROR_CODES,
    CallTimeoutError,
    DeadlineExceededError,
    RejectedError,
    ScrollIntelError,
)

_LATE = (DeadlineExceededError, CallTimeoutError)
_REFUSALS = tuple(kind for kind in ERROR_CODES.values() if issubclass(kind, RejectedError) and kind not in _LATE)
"""Every refusal there is: whichever layer it comes from, code that catches the client's errors catches it."""


def _combine(
    kind: type[ScrollIntelError], client: type[Exception], module: str, blank: Mapping[str, object]
) -> type[ScrollIntelError]:
    """Return a class of both kinds that is built as `kind` is: the client's constructor takes other arguments."""
    ours = [cls for cls in kind.__mro__ if issubclass(cls, ScrollIntelError)]
    construct: Any = next((vars(cls)["__init__"] for cls in ours if "__init__" in vars(cls)), None)

    def __init__(self: Exception, *args: object) -> None:
        self.args = args
        if construct is not None:
            construct(self, *args)

    def __reduce__(self: Exception) -> tuple[Any, ...]:  # Any: what pickle asks for
        return (type(self), self.args)  # without the request, which may hold credentials

    name = kind.__name__.removesuffix("Error") + "TransportError"
    doc = f"`{kind.__name__}` that is also the client's `{client.__name__}`."
    namespace = {"__module__": module, "__doc__": doc, "__init__": __init__, "__reduce__": __reduce__, **blank}
    return type(name, (kind, client), namespace)


class ClientErrors:
    """For each error of this library a class that is also one of the client's.

    Arguments:
        module: The module that holds the classes; pickle looks for them there.
        refused: The client's class for a request that was not sent.
        late: The client's class for time limits.
        blank: Attributes that the client's constructor would set.

    Attributes:
        classes: The classes by name; `CircuitOpenError` gives `CircuitOpenTransportError`.
    """

    def __init__(
        self, module: str, *, refused: type[Exception], late: type[Exception], blank: Mapping[str, object]
    ) -> None:
        self._kinds: dict[type[ScrollIntelError], Any] = {}  # Any: classes with the attributes of both bases
        self.classes: dict[str, type[ScrollIntelError]] = {}
        for kind in (*_REFUSALS, *_LATE):
            combined = _combine(kind, late if kind in _LATE else refused, module, blank)
            self._kinds[kind] = self.classes[combined.__name__] = combined

    def translate(self, error: ScrollIntelError, request: object) -> Exception:
        """Return `error` as an error of the client with `request` attached, or as it is when it is one already."""
        kind = self._kinds.get(type(error))
        if kind is None:
            return error
        translated: Any = kind(*error.__reduce__()[1])  # Any: `request` is the client's attribute
        translated.request = request
        for note in getattr(error, "__notes__", ()):
            translated.add_note(note)
        return translated  # type: ignore[no-any-return]  # an exception by construction
