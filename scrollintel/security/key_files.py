"""Key-encryption keys in a directory of files, one key a file, readable by their owner alone."""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from .errors import KeyUnavailableError
from .key_providers import KEY_LENGTH, KeyEncryptionKey, KeyShelf, decode_key

_NAME: Final = re.compile(r"key-(\d{6})\.key")
_SIZE_LIMIT: Final = 1024
_RESTORE: Final = "Restore the key directory from its backup; without the key, what it encrypted cannot be read"


class FileKeyProvider:
    """Keeps keys in a directory: `key-000001.key`, `key-000002.key` and so on; the highest number is the current one.

    A path that is a regular file (a secret mounted by an orchestrator) is read as one key and never written.

    Arguments:
        path: The directory, or the single file.
        create: Whether to make the directory and a first key when there is none. Say True only where nothing has been
            encrypted yet: a new key does not open what a lost one closed.

    Raises:
        KeyUnavailableError: When there is no key, a file is damaged, or others than the owner may read it or exchange
            it. The text says what to do.
    """

    def __init__(self, path: Path | str, *, create: bool = False) -> None:
        self._path = Path(path)
        if create and not self._path.is_file() and not self._numbers():
            self._prepare_directory()
            self._add(1)  # when another process was quicker, its key serves both
        self._shelf = self._load()

    def current(self) -> KeyEncryptionKey:
        """Return the newest key."""
        return self._shelf.current()

    def find(self, key_id: str) -> KeyEncryptionKey:
        """Return the key with this id; raises KeyUnavailableError when no file holds it."""
        return self._shelf.find(key_id)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all keys, the newest first."""
        return self._shelf.ids()

    def reload(self) -> None:
        """Read the files again; the former keys stay when that fails, and KeyUnavailableError is raised."""
        self._shelf = self._load()

    def rotate(self) -> KeyEncryptionKey:
        """Add a new key, make it the current one and return it. The former keys stay until nothing is wrapped in them.

        Raises:
            KeyUnavailableError: When the path is a single file, the directory cannot be written, or another process
                has rotated at the same moment.
        """
        if self._path.is_file():
            remedy = "Keep the keys in a directory, or rotate where the file comes from"
            raise KeyUnavailableError(str(self._path), "is a single file, which is not written", remedy)
        number = max(self._numbers(), default=0) + 1
        if not self._add(number):
            problem = f"got key {number} from another process just now"
            raise KeyUnavailableError(str(self._path), problem, "Rotate again if that was not the wish")
        self._shelf = self._load()
        return self._shelf.current()

    def _numbers(self) -> list[int]:
        """Return the numbers of the key files, the highest first."""
        try:
            names = [file.name for file in self._path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(self._path, error) from None
        return sorted((int(match[1]) for name in names if (match := _NAME.fullmatch(name))), reverse=True)

    def _prepare_directory(self) -> None:
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(self._path, error) from None

    def _add(self, number: int) -> bool:
        """Write a new key completely under another name, then give it its own; False when that is taken.

        A process killed in the middle leaves no half-written key behind under a key's name.
        """
        target = self._path / f"key-{number:06}.key"
        draft = self._path / f".draft-{secrets.token_hex(8)}"
        text = base64.b64encode(secrets.token_bytes(KEY_LENGTH)) + b"\n"
        try:
            try:
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(draft, target)  # fails when the target exists; a rename would replace it
            finally:
                draft.unlink(missing_ok=True)
            _sync_directory(self._path)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._unusable(self._path, error) from None
        return True

    def _load(self) -> KeyShelf:
        source = str(self._path)
        if self._path.is_file():
            return KeyShelf(source, [_read(self._path)], _RESTORE)
        numbers = self._numbers()
        if not numbers:
            raise KeyUnavailableError(source, "holds no key", _RESTORE)
        _check_directory(self._path)
        return KeyShelf(source, [_read(self._path / f"key-{number:06}.key") for number in numbers], _RESTORE)

    @staticmethod
    def _unusable(path: Path, error: OSError) -> KeyUnavailableError:
        problem = f"cannot be used ({os.strerror(error.errno) if error.errno else type(error).__name__})"
        return KeyUnavailableError(str(path), problem, "Check the path and who owns it")


def _sync_directory(path: Path) -> None:
    """Make a new name durable, where directories can be opened at all."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_directory(path: Path) -> None:
    """Refuse a directory in which others could exchange the keys."""
    if os.name == "nt":
        return  # access is a matter of inherited lists there, which mode bits do not show
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o022:
        problem = f"can be written by others than its owner (mode {mode:04o})"
        raise KeyUnavailableError(str(path), problem, f"Run: chmod 700 {path}")


def _read(path: Path) -> KeyEncryptionKey:
    """Read one key file; its mode is checked on the opened file, so it cannot be exchanged in between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise FileKeyProvider._unusable(path, error) from None
    try:
        status = os.fstat(descriptor)
        if os.name != "nt":
            mode = stat.S_IMODE(status.st_mode)
            if mode & 0o077:
                problem = f"can be read or written by others than its owner (mode {mode:04o})"
                remedy = f"Run: chmod 600 {path} -- and rotate the key if others may have read it"
                raise KeyUnavailableError(str(path), problem, remedy)
            if status.st_uid not in (0, os.geteuid()):
                problem = "belongs to another user"
                raise KeyUnavailableError(str(path), problem, f"Run: chown {os.geteuid()} {path}")
        content = os.read(descriptor, _SIZE_LIMIT + 1)
    finally:
        os.close(descriptor)
    return decode_key(content.decode("latin-1"), str(path))
