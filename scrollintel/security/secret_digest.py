"""Keyed hashes that stand for secrets in the audit log: they show that two secrets are equal, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from .audit_chain import canonical_json

MINIMUM_KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is secret by its type, wherever it stands; it never shows in a `repr`.

    Arguments:
        value: The secret: a JSON value or bytes.
    """

    value: object

    def __repr__(self) -> str:
        return "Secret(...)"


class SecretDigest:
    """Replaces secrets by HMAC-SHA256 under the key of one log.

    Without the key a hash cannot be tried against guesses, and equal secrets of two logs look different.

    Arguments:
        key: Key of the log, at least 32 random bytes.

    Raises:
        ValueError: for a shorter key.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < MINIMUM_KEY_SIZE:
            raise ValueError(f"the key for hashing secrets needs at least {MINIMUM_KEY_SIZE} bytes")
        self._key = key

    def of(self, value: object) -> str:
        """Return "hmac-sha256:" and 64 hexadecimal digits for a JSON value, bytes or a `Secret`.

        The type counts: the text "1", the number 1 and the byte 0x31 have different hashes.

        Raises:
            TypeError: for another type; the text never holds the value.
            ValueError: for NaN and infinities.
        """
        if isinstance(value, Secret):
            return self.of(value.value)
        if isinstance(value, bytes | bytearray | memoryview):
            message = b"bytes:" + bytes(value)
        else:
            message = b"json:" + canonical_json(self.redact(value)).encode("ascii")
        return "hmac-sha256:" + hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def redact(self, value: object, secret_fields: Collection[str] = ()) -> object:
        """Return `value` as JSON values in which each secret is its hash.

        Secret is whatever is of a secret type (`Secret`, bytes and their relatives) at any depth, and the whole value,
        of whatever type, under a key in `secret_fields` at any depth. None stays None: an unset field is no secret.

        Arguments:
            value: None, bool, int, float, text, mappings with text keys, lists and tuples of these, or secrets.
            secret_fields: Names of secret fields.

        Raises:
            TypeError: for any other type, naming the type and never the value: what is not understood is not logged.
            ValueError: for NaN and infinities in a secret.
        """
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, Secret | bytes | bytearray | memoryview):
            return self.of(value)
        if isinstance(value, Mapping):
            return {_name(key): self._field(key, item, secret_fields) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact(item, secret_fields) for item in value]
        raise TypeError(f"a value of type {type(value).__name__} cannot stand in the audit log")

    def _field(self, name: object, value: object, secret_fields: Collection[str]) -> object:
        if value is not None and name in secret_fields:
            return self.of(value)
        return self.redact(value, secret_fields)


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a field name of type {type(key).__name__} cannot stand in the audit log")
    return key
