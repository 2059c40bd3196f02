"""The files of the page as they are read: what is served under which path, compressed how, and what is left out."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest

from scrollintel.dashboard import bundle
from scrollintel.dashboard.bundle import read_bundle

TEXT = b"export const many = 'words';\n" * 100


def built(folder: Path, **assets: bytes) -> Path:
    """Make a bundle and return its folder."""
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(b"<!doctype html>")
    (folder / "favicon.svg").write_bytes(b"<svg/>")
    for name, content in assets.items():
        (folder / "assets" / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_bundle_that_was_not_built_is_empty(tmp_path: Path, name: str) -> None:
    """No folder, and one without an index."""
    (tmp_path / "empty" / "assets").mkdir(parents=True)
    (tmp_path / "empty" / "assets" / "a-12345678.js").write_bytes(TEXT)
    assert dict(read_bundle(tmp_path / name)) == {}


def test_bundle_serves_its_files_and_nothing_else(tmp_path: Path) -> None:
    """Known kinds in `assets`, index and icon; no sources, maps, hidden files, folders, or links out of it."""
    names = ["app-12345678.js", "app-12345678.css", "plain.js", "font-abcd_efg.woff2", "a-12345678.svg"]
    ignored = ["app-12345678.js.map", "app-12345678.js.gz", "page.html", ".hidden.js", "with space.js", "README"]
    folder = built(tmp_path / "bundle", **dict.fromkeys([*names, *ignored], b"x"))
    (tmp_path / "secret.js").write_bytes(b"secret")
    (folder / "assets" / "link-12345678.js").symlink_to(tmp_path / "secret.js")
    (folder / "assets" / "folder.js").mkdir()
    (folder / "other.js").write_bytes(b"x")
    found = read_bundle(folder)
    assert set(found) == {"/", "/favicon.svg", *(f"/assets/{name}" for name in names)}
    lasting = {path for path, file in found.items() if file.lasting}
    assert lasting == {f"/assets/{name}" for name in names if name != "plain.js"}
    assert {path.rpartition(".")[2]: file.media_type for path, file in found.items() if path != "/"} == {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "svg": "image/svg+xml",
        "woff2": "font/woff2",
    }
    assert found["/"].media_type == "text/html; charset=utf-8"


def test_bundle_folder_of_assets_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Only what a build has put there."""
    folder = built(tmp_path / "bundle")
    (folder / "assets").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a-12345678.js").write_bytes(TEXT)
    (folder / "assets").symlink_to(tmp_path / "elsewhere")
    assert set(read_bundle(folder)) == {"/", "/favicon.svg"}


def test_bundle_compresses_what_gains_by_it(tmp_path: Path) -> None:
    """Long texts, not short ones, fonts or noise."""
    noise = bytes((number * number * 31 + number // 7) % 251 for number in range(4096))
    noise = gzip.compress(noise)
    files = {"long-12345678.js": TEXT, "short-12345678.js": b"x", "font-12345678.woff2": TEXT, "n-12345678.js": noise}
    found = read_bundle(built(tmp_path / "bundle", **files))
    packed = found["/assets/long-12345678.js"].packed
    assert packed is not None and gzip.decompress(packed) == TEXT
    for name in ("short-12345678.js", "font-12345678.woff2", "n-12345678.js"):
        assert found[f"/assets/{name}"].packed is None


def test_bundle_takes_what_the_build_compressed_when_it_is_the_same(tmp_path: Path) -> None:
    """A better compression is kept; one of another content, a cut one or none is made anew."""
    better = gzip.compress(TEXT, 9, mtime=7)
    files = {
        "a-12345678.js": TEXT, "a-12345678.js.gz": better,
        "b-12345678.js": TEXT, "b-12345678.js.gz": gzip.compress(TEXT + b"!"),
        "c-12345678.js": TEXT, "c-12345678.js.gz": better[:-9],
        "d-12345678.js": TEXT, "d-12345678.js.gz": b"no gzip",
    }  # fmt: skip
    found = read_bundle(built(tmp_path / "bundle", **files))
    assert found["/assets/a-12345678.js"].packed == better
    for name in "bcd":
        packed = found[f"/assets/{name}-12345678.js"].packed
        assert packed is not None and packed != better and gzip.decompress(packed) == TEXT


def test_bundle_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is too large and what comes beyond the bundle's bounds is left out, and that is told."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(bundle, "MAX_FILE_BYTES", 5000)
    monkeypatch.setattr(bundle, "MAX_BYTES", 7000)
    files = {"a-12345678.js": b"x" * 5001, "b-12345678.js": b"x" * 5000, "c-12345678.js": b"x" * 5000}
    found = read_bundle(built(tmp_path / "bundle", **files))
    assert "/assets/b-12345678.js" in found
    assert not {"/assets/a-12345678.js", "/assets/c-12345678.js"} & set(found)
    assert "a-12345678.js" in caplog.text and "c-12345678.js" in caplog.text
    monkeypatch.setattr(bundle, "MAX_FILES", 2)
    assert len(read_bundle(tmp_path / "bundle")) == 2
