"""Personal data that can be erased from a record that cannot change: one key per person, erased by deleting the key.

Audit records hold the opaque id of a person and a sealed box. When the person's key is deleted, every box is noise, in
the live database and in each copy whose table of subject keys is gone as well, while the hash chain over the boxes
still verifies.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..core.errors import NotFoundError
from .boxes import decode_box, decrypt, encode_box, encrypt, length_prefixed
from .envelope import SUBJECTS, Keyring
from .errors import DecryptionError, SubjectErasedError
from .key_providers import KEY_LENGTH

SUBJECT_TABLE: Final = "subjects"
"""Table name that wrapped subject keys are bound to, for `rotation.reseal`."""
SUBJECT_COLUMN: Final = "wrapped"
"""Column name that they are bound to; the row is the subject's id."""
VERSION: Final = "sip1"

_SEALED = re.compile(rf"{VERSION}:([0-9A-Za-z_-]+)")


def subject_id_for(name: str, hmac_key: bytes) -> str:
    """Return the opaque id of a person: "sub_" and 32 hexadecimal digits, always the same for one name and key.

    It is keyed (HMAC-SHA256), because names and addresses can be guessed.

    Raises:
        ValueError: When the key has fewer than 32 bytes.
    """
    if len(hmac_key) < KEY_LENGTH:
        raise ValueError(f"the key for subject ids needs at least {KEY_LENGTH} bytes")
    message = length_prefixed("scrollintel subject id 1", name)
    return "sub_" + hmac.new(hmac_key, message, hashlib.sha256).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key of one person as it is stored.

    Arguments:
        subject_id: From `subject_id_for`.
        wrapped: The key, sealed by the keyring for this row; None once it is erased.
        created_at: When it was made (UTC).
        erased_at: When it was erased, or None.
    """

    subject_id: str
    wrapped: str | None = field(repr=False)
    created_at: datetime
    erased_at: datetime | None = None


def erased(key: SubjectKey, now: datetime) -> SubjectKey:
    """Return the record of an erased person: without the key, with the time. An erased record stays as it is."""
    if key.erased_at is not None and key.wrapped is None:
        return key
    return replace(key, wrapped=None, erased_at=now)


class SubjectVault:
    """Seals and opens the personal data of one person at a time. Keeps no key, so an erasure takes effect at once.

    Arguments:
        keyring: Wraps the keys of persons; needs a data key for the purpose "subjects".
        lookup: Returns the stored key of a subject id, or None.
    """

    def __init__(self, keyring: Keyring, lookup: Callable[[str], SubjectKey | None]) -> None:
        self._keyring = keyring
        self._lookup = lookup

    def new_key(self, subject_id: str, now: datetime) -> SubjectKey:
        """Return a new key for a person, to be stored before anything is sealed with it."""
        material = secrets.token_bytes(KEY_LENGTH)
        wrapped = self._keyring.seal(material, SUBJECT_TABLE, subject_id, SUBJECT_COLUMN, purpose=SUBJECTS)
        return SubjectKey(subject_id, wrapped, now)

    def seal(self, subject_id: str, personal: Mapping[str, Any]) -> dict[str, str]:  # Any: JSON values of mixed types
        """Return `{"subject": ..., "sealed": ...}` for a record: the opaque id and the encrypted JSON of `personal`.

        Raises:
            NotFoundError: When the person has no key yet.
            SubjectErasedError: When the person was erased.
        """
        plaintext = json.dumps(personal, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        box = encrypt(self._cipher(subject_id), plaintext.encode("utf-8", "surrogatepass"), _bound_to(subject_id))
        return {"subject": subject_id, "sealed": f"{VERSION}:{encode_box(box)}"}

    def open_(self, sealed: Mapping[str, str]) -> dict[str, Any]:  # Any: JSON values of mixed types
        """Return the personal data of what `seal` returned.

        Raises:
            SubjectErasedError: When the person was erased.
            NotFoundError: When the person is not known.
            DecryptionError: When the box was altered, belongs to another person or has an unknown format.
        """
        subject_id, text = sealed.get("subject"), sealed.get("sealed")
        if not isinstance(subject_id, str) or not isinstance(text, str):
            raise DecryptionError("subject", "it is not in a known format")
        cipher = self._cipher(subject_id)
        match = _SEALED.fullmatch(text)
        if match is None:
            raise DecryptionError(subject_id, "it is not in a known format")
        box = decode_box(match[1], subject_id)
        plaintext = decrypt(cipher, box, _bound_to(subject_id), subject_id)
        personal: dict[str, Any] = json.loads(plaintext.decode("utf-8", "surrogatepass"))  # Any: JSON values
        return personal

    def _cipher(self, subject_id: str) -> AESGCM:
        key = self._lookup(subject_id)
        if key is None:
            raise NotFoundError("subject", subject_id)
        if key.wrapped is None or key.erased_at is not None:
            raise SubjectErasedError(subject_id)
        return AESGCM(self._keyring.open_(key.wrapped, SUBJECT_TABLE, subject_id, SUBJECT_COLUMN))


def _bound_to(subject_id: str) -> bytes:
    return length_prefixed(VERSION, subject_id)
