"""Where the key-encryption key comes from: files, the environment, or a command; never a fallback."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from .bounded_command import CommandFailedError, run_bounded
from .errors import KeyUnavailableError

KEY_LENGTH: Final = 32
ENVIRONMENT_VARIABLE: Final = "SCROLLINTEL_MASTER_KEY"
PREVIOUS_VARIABLE: Final = "SCROLLINTEL_MASTER_KEY_PREVIOUS"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A key that encrypts data keys and nothing else.

    Arguments:
        material: 32 random bytes.

    The id follows from the key (HMAC-SHA256, 64 bits of it), so the same key has the same id from every provider, and
    a wrong key is noticed by its id before it is used.
    """

    material: bytes = field(repr=False)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if len(self.material) != KEY_LENGTH:
            raise ValueError(f"a key-encryption key has {KEY_LENGTH} bytes")
        name = hmac.new(self.material, b"scrollintel key-encryption key id 1", hashlib.sha256).hexdigest()[:16]
        object.__setattr__(self, "id", f"kek_{name}")


class KeyProvider(Protocol):
    """Gives out key-encryption keys. They stay in memory; only `reload` (where there is one) asks the source again."""

    def current(self) -> KeyEncryptionKey:
        """Return the key under which new data keys are wrapped; raises KeyUnavailableError."""

    def find(self, key_id: str) -> KeyEncryptionKey:
        """Return the key with this id, old ones included; raises KeyUnavailableError when there is none."""


def decode_key(text: str, source: str) -> KeyEncryptionKey:
    """Read a key from base64 (either alphabet, with or without padding).

    Raises:
        KeyUnavailableError: When the text is something else. The error names `source` and never the text.
    """
    compact = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
    try:
        material = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != KEY_LENGTH:
        remedy = "Give 32 random bytes in base64, for instance from `openssl rand -base64 32`"
        raise KeyUnavailableError(source, "is not 32 bytes in base64", remedy)
    if len(set(material)) == 1:
        raise KeyUnavailableError(
            source, "is one byte repeated, not a random key", "Generate a key with `openssl rand`"
        )
    return KeyEncryptionKey(material)


class KeyShelf:
    """The keys of one source in memory, the current one first.

    Arguments:
        source: Name of the source in errors.
        keys: The keys, the current one first; empty when there is none.
        remedy: What to do when a key is missing.
    """

    def __init__(self, source: str, keys: Sequence[KeyEncryptionKey], remedy: str) -> None:
        self._source = source
        self._keys = tuple(keys)
        self._by_id: Mapping[str, KeyEncryptionKey] = MappingProxyType({key.id: key for key in keys})
        self._remedy = remedy

    def current(self) -> KeyEncryptionKey:
        """Return the first key; raises KeyUnavailableError when there is none."""
        if not self._keys:
            raise KeyUnavailableError(self._source, "holds no key", self._remedy)
        return self._keys[0]

    def find(self, key_id: str) -> KeyEncryptionKey:
        """Return the key with this id; raises KeyUnavailableError when there is none."""
        key = self._by_id.get(key_id)
        if key is None:
            held = ", ".join(self._by_id) or "none"
            raise KeyUnavailableError(self._source, f"does not hold {key_id} (it holds {held})", self._remedy)
        return key

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all keys, the current one first."""
        return tuple(key.id for key in self._keys)


class EnvironmentKeyProvider(KeyShelf):
    """Reads the key from SCROLLINTEL_MASTER_KEY; for development only, and says so in the log.

    The environment of a process is inherited by its children and shown by diagnostic tools. Former keys may stand in
    SCROLLINTEL_MASTER_KEY_PREVIOUS, separated by commas, while data keys are rewrapped.

    Arguments:
        environment: Where the variables are looked up; the process's own by default.
        warns: Whether it says so; False for another try of whoever has said it already.

    Raises:
        KeyUnavailableError: When the variable is missing, empty or no key.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, warns: bool = True) -> None:
        environment = os.environ if environment is None else environment
        remedy = f"Set {ENVIRONMENT_VARIABLE} to 32 random bytes in base64, and former keys in {PREVIOUS_VARIABLE}"
        text = environment.get(ENVIRONMENT_VARIABLE, "")
        if not text.strip():
            raise KeyUnavailableError(ENVIRONMENT_VARIABLE, "is not set", remedy)
        keys = [decode_key(text, ENVIRONMENT_VARIABLE)]
        former = environment.get(PREVIOUS_VARIABLE, "")
        keys += [decode_key(part, PREVIOUS_VARIABLE) for part in former.split(",") if part.strip()]
        super().__init__(ENVIRONMENT_VARIABLE, keys, remedy)
        if not warns:
            return
        _log.warning(
            "the key-encryption key comes from the environment variable %s, which is meant for development: "
            "child processes and diagnostic tools can read it",
            ENVIRONMENT_VARIABLE,
        )


class CommandKeyProvider:
    """Asks a program for the keys: one per line in base64, the current one first. For key services and vaults.

    The program is started without a shell, with an absolute path, no input, and only the environment given here.

    Arguments:
        command: The program's absolute path and its arguments.
        environment: The whole environment of the program; empty by default.
        timeout: Seconds that it may take; 10 by default.

    Raises:
        KeyUnavailableError: When the program is missing, fails, takes too long, prints too much or prints no keys.
    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> None:
        self._command = tuple(command)
        self._environment = dict(environment or {})
        self._timeout = timeout
        if not self._command or not Path(self._command[0]).is_absolute():
            raise KeyUnavailableError("command", "has no absolute path", "Name the program by its full path")
        self._shelf = self._ask()

    def current(self) -> KeyEncryptionKey:
        """Return the first key that the program printed."""
        return self._shelf.current()

    def find(self, key_id: str) -> KeyEncryptionKey:
        """Return the key with this id; raises KeyUnavailableError when the program printed none such."""
        return self._shelf.find(key_id)

    def reload(self) -> None:
        """Run the program again; the former keys stay when that fails, and KeyUnavailableError is raised."""
        self._shelf = self._ask()

    def _ask(self) -> KeyShelf:
        source = self._command[0]
        remedy = "Run the program by hand: it prints keys of 32 bytes in base64, one a line, the current one first"
        try:
            output = run_bounded(self._command, environment=self._environment, timeout=self._timeout)
            lines = output.decode("ascii").splitlines()
        except CommandFailedError as error:
            raise KeyUnavailableError(source, str(error), remedy) from None
        except UnicodeDecodeError:
            raise KeyUnavailableError(source, "did not print base64", remedy) from None
        keys = [decode_key(line, source) for line in lines if line.strip()]
        if not keys:
            raise KeyUnavailableError(source, "printed no key", remedy)
        return KeyShelf(source, keys, remedy)
