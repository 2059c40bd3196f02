"""Pages by cursor: a cursor says where the last page ended, so that what is added meanwhile shifts nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ..service.errors import RequestError

T = TypeVar("T")


class BadCursorError(RequestError):
    """A cursor that this list has not given out."""

    code = "invalid_cursor"


def encode_cursor(position: Sequence[Any]) -> str:
    """Return a position in a list as opaque text; Any: JSON values."""
    return base64.urlsafe_b64encode(json.dumps(list(position), separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """Return the position that a cursor names, or None without one.

    Arguments:
        cursor: What a client sent.
        kinds: Type of each part of the position.

    Raises:
        BadCursorError: when it is no cursor of such a list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise BadCursorError("the cursor is none of this list") from None
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise BadCursorError("the cursor is none of this list")
    for part, kind in zip(parts, kinds, strict=True):
        if type(part) is not kind:
            raise BadCursorError("the cursor is none of this list")
        if (isinstance(part, int) and abs(part) >= 2**63) or (isinstance(part, str) and "\x00" in part):
            raise BadCursorError("the cursor is none of this list")
    return tuple(parts)


def moment_place(moment: datetime) -> str:
    """Return a moment in UTC as text that sorts as the moments do."""
    return moment.isoformat(timespec="microseconds")


def page_of(
    items: Sequence[T],
    *,
    position: tuple[Any, ...] | None,
    limit: int,
    place: Callable[[T], tuple[Any, ...]],
    descending: bool = False,
) -> tuple[list[T], str | None]:
    """Return a page of what is in memory, sorted by `place`, and the cursor of the next one or None.

    Arguments:
        items: All of them, in any order.
        position: Where the page before ended, or None.
        limit: Items of a page.
        place: Gives what an item is sorted by; unique within the list.
        descending: Whether the largest comes first.
    """
    ordered = sorted(items, key=place, reverse=descending)
    if position is not None:
        ordered = [item for item in ordered if (place(item) < position if descending else place(item) > position)]
    page = ordered[:limit]
    return page, encode_cursor(place(page[-1])) if len(ordered) > limit else None
