"""A request whose JSON is read strictly and within bounds."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from ..service.errors import RequestError

MAX_BODY_BYTES = 1024 * 1024
MAX_DEPTH = 20


class BodyTooLargeError(RequestError):
    """The request body has more than 1 MiB."""

    code = "body_too_large"
    status = 413

    def __init__(self) -> None:
        super().__init__(f"a request body may have {MAX_BODY_BYTES} bytes")


class BodyTooDeepError(RequestError):
    """The request body nests too deep."""

    code = "too_deep"

    def __init__(self) -> None:
        super().__init__(f"a request body may be nested {MAX_DEPTH} levels deep")


class MalformedBodyError(RequestError):
    """The request body is no JSON, or JSON that two readers would read differently."""

    code = "malformed_json"

    def __init__(self) -> None:
        super().__init__("the body is not JSON in UTF-8, or repeats a name")


class MediaTypeError(RequestError):
    """The request body is not declared as JSON."""

    code = "unsupported_media_type"
    status = 415

    def __init__(self) -> None:
        super().__init__("send the body as application/json")


class StrictRequest(Request):
    """A request whose JSON is read strictly: no NaN, no repeated names, no lone surrogates, bounded depth and size."""

    async def body(self) -> bytes:
        """Return the body, of at most 1 MiB."""
        if not hasattr(self, "_body"):
            length = self.headers.get("content-length", "")
            if length.isascii() and length.isdigit() and len(length) < 20 and int(length) > MAX_BODY_BYTES:
                raise BodyTooLargeError
            chunks: list[bytes] = []
            size = 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise BodyTooLargeError
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Return the parsed body."""
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body; raises BodyTooDeepError or MalformedBodyError."""
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise BodyTooDeepError
    try:
        text = body.decode()
        value = _decode(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MalformedBodyError from None
    return value


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _integer(text: str) -> int:
    """Refuse what is not the same number for every reader of JSON (RFC 8259, section 6)."""
    if len(text) > 17 or abs(number := int(text)) >= 2**53:
        raise ValueError(text)
    return number


def _number(text: str) -> int | float:
    """Return a number with a fraction or an exponent; what is a whole one all the same is an integer (JSON Schema)."""
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


_decode = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_integer, parse_float=_number, object_pairs_hook=_unique
).decode


def _depth(body: bytes) -> int:
    """Return how deep brackets nest outside of strings; an upper bound for what is no JSON anyway."""
    deepest = depth = 0
    inside = escaped = False
    for byte in body:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            if depth > deepest:
                deepest = depth
                if deepest > MAX_DEPTH:
                    return deepest
        elif byte in b"]}":
            depth -= 1
    return deepest


async def check_body(request: StrictRequest) -> None:
    """Read the body here, because FastAPI hides from its routes why a body cannot be read."""
    body = await request.body()
    if not body:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise MediaTypeError
    await request.json()
