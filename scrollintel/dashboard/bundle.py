"""The files of the page, read once and kept in memory, ready to be sent."""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

FOLDER: Final = Path(__file__).parent / "bundle"
"""Where a build puts the page."""
INDEX: Final = "/"
MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of the whole bundle; what comes beyond is not served."""
WORTH_COMPRESSING: Final = 1024
"""Bytes from which compression saves a packet."""
MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".woff2": "font/woff2",
    }
)
"""What is served; a file of another kind is none of the page's."""
_PACKED = ".woff2"  # is compressed already
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_HASHED = re.compile(r".+-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")

logger = logging.getLogger("scrollintel.dashboard")


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent.

    Arguments:
        content: Its bytes.
        packed: The same, compressed with gzip; None where that saves nothing.
        media_type: For `Content-Type`.
        lasting: Whether its name changes with its content, so that browsers may keep it for good.
        etag: Entity tag of the content.
    """

    content: bytes = field(repr=False)
    packed: bytes | None = field(repr=False)
    media_type: str
    lasting: bool
    etag: str


def read_bundle(folder: Path = FOLDER) -> Mapping[str, File]:
    """Return path → file for every file of the page; empty when it has not been built. Blocks.

    Only what is found here is ever served, under exactly this path: no request reaches the file system.

    Arguments:
        folder: With `index.html`, `favicon.svg` and the folder `assets`.
    """
    found: dict[str, File] = {}
    left = MAX_BYTES
    for path, file in _candidates(folder):
        content = _content(file, left)
        if content is None or len(found) >= MAX_FILES:
            logger.warning("the dashboard's file %s is too large, or there are too many: it is not served", file.name)
            continue
        left -= len(content)
        found[path] = _file(file, content)
    return MappingProxyType(found if INDEX in found else {})


def _candidates(folder: Path) -> Iterator[tuple[str, Path]]:
    for path, name in ((INDEX, "index.html"), ("/favicon.svg", "favicon.svg")):
        if _is_plain(folder / name):
            yield path, folder / name
    assets = folder / "assets"
    if not assets.is_dir() or assets.is_symlink():
        return
    for file in sorted(assets.iterdir()):
        if _NAME.fullmatch(file.name) and file.suffix in MEDIA_TYPES and file.suffix != ".html" and _is_plain(file):
            yield f"/assets/{file.name}", file


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _content(file: Path, left: int) -> bytes | None:
    limit = min(MAX_FILE_BYTES, left)
    with file.open("rb") as opened:
        content = opened.read(limit + 1)
    return content if len(content) <= limit else None


def _file(file: Path, content: bytes) -> File:
    return File(
        content,
        _packed(file, content),
        MEDIA_TYPES[file.suffix],
        lasting=file.parent.name == "assets" and _HASHED.fullmatch(file.name) is not None,
        etag=hashlib.sha256(content).hexdigest()[:32],
    )


def _packed(file: Path, content: bytes) -> bytes | None:
    """Return a file compressed: by whoever built the page, when that is the same content, or else now."""
    if file.suffix == _PACKED or len(content) < WORTH_COMPRESSING:
        return None
    ready = file.with_name(file.name + ".gz")
    packed = ready.read_bytes() if _is_plain(ready) and ready.stat().st_size <= MAX_FILE_BYTES else b""
    if not _unpacks_to(packed, content):
        packed = gzip.compress(content, 9, mtime=0)
    return packed if len(packed) < len(content) else None


def _unpacks_to(packed: bytes, content: bytes) -> bool:
    try:
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return unpacking.decompress(packed, len(content) + 1) == content and unpacking.eof
    except zlib.error:
        return False
