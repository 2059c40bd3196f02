"""Encrypted values in the database: values under data keys, data keys under a key-encryption key.

AES-256-GCM with random 96-bit nonces. NIST SP 800-38D, section 8.3, allows at most 2**32 such nonces per key, so each
data key counts what it seals. A sealed value reads `sie1:<data key id>:<base64url of nonce and ciphertext>`; its
additional data names table, row, column, data key and version, so that it opens nowhere else.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .boxes import decode_box, decrypt, encode_box, encrypt, length_prefixed
from .errors import DecryptionError, EncryptionSelfTestError, KeyExhaustedError, KeyUnavailableError
from .key_providers import KEY_LENGTH, KeyEncryptionKey, KeyProvider

VERSION: Final = "sie1"
WRAPPED_VERSION: Final = "siw1"
MAX_SEALS: Final = 2**32
"""Values that one data key may seal."""
SEALS_BLOCK: Final = 2**16
"""Seals are reserved in blocks of this size, so that the count need not be stored for each one."""
CONFIGURATION: Final = "configuration"
"""Purpose of the data key for secret settings; the default."""
SUBJECTS: Final = "subjects"
"""Purpose of the data key that wraps the keys of persons."""

_SEALED = re.compile(rf"{VERSION}:(dk_[0-9a-f]{{16}}):([0-9A-Za-z_-]+)")
_WRAPPED = re.compile(rf"{WRAPPED_VERSION}:([0-9A-Za-z_-]+)")


@dataclass(frozen=True, slots=True)
class DataKeyRecord:
    """A data key as it is stored: encrypted under a key-encryption key.

    Arguments:
        id: "dk_" and 16 hexadecimal digits.
        wrapped: The encrypted key, bound to its id, purpose and key-encryption key.
        key_encryption_key_id: Which key opens it.
        purpose: What it encrypts: "configuration" or "subjects".
        created_at: When it was made (UTC). The newest key of a purpose that is not retired seals new values.
        retired_at: Since when it only opens, or None.
        seals_reserved: How many values it may have sealed so far; never less than it has.
    """

    id: str
    wrapped: str = field(repr=False)
    key_encryption_key_id: str
    purpose: str
    created_at: datetime
    retired_at: datetime | None = None
    seals_reserved: int = 0


class _DataKey:
    """A data key in memory; everything but `cipher` is guarded by the keyring's lock."""

    __slots__ = ("cipher", "record", "stored", "used")

    def __init__(self, record: DataKeyRecord, cipher: AESGCM) -> None:
        self.record = record
        self.cipher = cipher
        self.stored = record.seals_reserved
        # Up to a block may have been sealed after the count was last stored, so one more is taken as used.
        self.used = record.seals_reserved + SEALS_BLOCK


class Sealed(NamedTuple):
    """A sealed value, taken apart."""

    key_id: str
    box: bytes


def parse(text: str, place: str) -> Sealed:
    """Take a sealed value apart; raises DecryptionError when it is not one."""
    match = _SEALED.fullmatch(text)
    if match is None:
        raise DecryptionError(place, "it is not in a known format")
    return Sealed(match[1], decode_box(match[2], place))


def _place(table: str, row: str, column: str) -> str:
    return f"{table}/{row[:80]}/{column}"


def _bound_to(table: str, row: str, column: str, key_id: str) -> bytes:
    return length_prefixed(VERSION, table, row, column, key_id)


def _wrap(material: bytes, kek: KeyEncryptionKey, key_id: str, purpose: str) -> str:
    bound_to = length_prefixed(WRAPPED_VERSION, key_id, purpose, kek.id)
    return f"{WRAPPED_VERSION}:{encode_box(encrypt(AESGCM(kek.material), material, bound_to))}"


def _unwrap(record: DataKeyRecord, kek: KeyEncryptionKey) -> bytes:
    bound_to = length_prefixed(WRAPPED_VERSION, record.id, record.purpose, kek.id)
    match = _WRAPPED.fullmatch(record.wrapped)
    try:
        if match is None:
            raise DecryptionError(record.id, "it is not in a known format")
        material = decrypt(AESGCM(kek.material), decode_box(match[1], record.id), bound_to, record.id)
    except DecryptionError as error:
        remedy = "Restore the table of data keys from a backup"
        raise KeyUnavailableError(record.id, f"does not open with {kek.id}: {error.problem}", remedy) from None
    if len(material) != KEY_LENGTH:
        raise KeyUnavailableError(record.id, "has another length", "Restore the table of data keys from a backup")
    return material


class Keyring:
    """All data keys, opened; seals and opens values. May be used from any thread.

    Arguments:
        provider: Where key-encryption keys come from.
        records: The stored data keys.

    Raises:
        KeyUnavailableError: When the key-encryption key of any record is missing or wrong. Nothing is left half open.
    """

    def __init__(self, provider: KeyProvider, records: Iterable[DataKeyRecord]) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._keys: dict[str, _DataKey] = {}  # changed under _lock
        for record in records:
            self.adopt(record)

    def new_data_key(self, purpose: str, now: datetime) -> DataKeyRecord:
        """Return a new data key, wrapped under the current key-encryption key. Store it, then `adopt` it."""
        kek = self._provider.current()
        key_id = "dk_" + secrets.token_hex(8)
        former = [record.created_at for record in self.records() if record.purpose == purpose]
        # The newest key is the current one, so a clock that was set back must not make the new key an old one.
        now = max([now, *(created_at + timedelta(microseconds=1) for created_at in former)])
        wrapped = _wrap(secrets.token_bytes(KEY_LENGTH), kek, key_id, purpose)
        return DataKeyRecord(key_id, wrapped, kek.id, purpose, now)

    def adopt(self, record: DataKeyRecord) -> None:
        """Take over a stored data key: a new one, or a changed record (rewrapped, retired, counted) of a known one.

        Raises:
            KeyUnavailableError: When its key-encryption key is missing or wrong.
        """
        cipher = AESGCM(_unwrap(record, self._provider.find(record.key_encryption_key_id)))
        with self._lock:
            known = self._keys.get(record.id)
            if known is None:
                self._keys[record.id] = _DataKey(record, cipher)
            else:
                known.stored = max(record.seals_reserved, known.stored)
                reserved = max(record.seals_reserved, known.record.seals_reserved)
                known.record = replace(record, seals_reserved=reserved)
                known.cipher = cipher

    def forget(self, key_id: str) -> None:
        """Drop a data key under which nothing is left; what was sealed with it does not open any more."""
        with self._lock:
            self._keys.pop(key_id, None)

    def records(self) -> tuple[DataKeyRecord, ...]:
        """Return every data key."""
        with self._lock:
            return tuple(key.record for key in self._keys.values())

    def changed(self) -> tuple[DataKeyRecord, ...]:
        """Return the records whose reserved count is not stored yet: store them with the values, then `adopt` them.

        That they come back until they are adopted makes a failed commit harmless.
        """
        with self._lock:
            return tuple(key.record for key in self._keys.values() if key.record.seals_reserved > key.stored)

    def current(self, purpose: str = CONFIGURATION) -> DataKeyRecord:
        """Return the data key that seals new values; raises KeyUnavailableError when there is none for the purpose."""
        with self._lock:
            return self._current(purpose).record

    def _current(self, purpose: str) -> _DataKey:
        usable = [key for key in self._keys.values() if key.record.purpose == purpose and key.record.retired_at is None]
        if not usable:
            remedy = "Make a data key for it before anything is written"
            raise KeyUnavailableError(f"for {purpose}", "there is no data key in use", remedy)
        return max(usable, key=lambda key: (key.record.created_at, key.record.id))

    def seal(self, plaintext: bytes, table: str, row: str, column: str, *, purpose: str = CONFIGURATION) -> str:
        """Return the encrypted value for one place of the database.

        Arguments:
            plaintext: The value.
            table: Name of the table; with `row` and `column` the only place where the value opens.
            row: Primary key of the row as text.
            column: Name of the column.
            purpose: Which data key to use; "configuration" by default.

        Raises:
            KeyUnavailableError: When there is no data key for the purpose.
            KeyExhaustedError: When the data key has sealed 2**32 values.
        """
        with self._lock:
            key = self._current(purpose)
            self._count(key)
            key_id, cipher = key.record.id, key.cipher
        box = encrypt(cipher, plaintext, _bound_to(table, row, column, key_id))
        return f"{VERSION}:{key_id}:{encode_box(box)}"

    def _count(self, key: _DataKey) -> None:
        if key.used >= MAX_SEALS:
            raise KeyExhaustedError(key.record.id)
        key.used += 1
        if key.used > key.record.seals_reserved:
            reserved = min(MAX_SEALS, key.used - 1 + SEALS_BLOCK)
            key.record = replace(key.record, seals_reserved=reserved)

    def open_(self, text: str, table: str, row: str, column: str) -> bytes:
        """Return the plaintext of a sealed value read from this very place.

        Raises:
            DecryptionError: For anything else than an unaltered value sealed for this place under a known key.
        """
        place = _place(table, row, column)
        sealed = parse(text, place)
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise DecryptionError(place, f"its data key {sealed.key_id} is not known")
        return decrypt(key.cipher, sealed.box, _bound_to(table, row, column, sealed.key_id), place)

    def needs_rewrap(self, record: DataKeyRecord) -> bool:
        """Tell whether the data key is still wrapped under a former key-encryption key."""
        return record.key_encryption_key_id != self._provider.current().id

    def rewrap(self, record: DataKeyRecord) -> DataKeyRecord:
        """Return the record under the current key-encryption key; values stay as they are. Store it, then `adopt` it.

        Raises:
            KeyUnavailableError: When its former key is missing or wrong.
        """
        kek = self._provider.current()
        material = _unwrap(record, self._provider.find(record.key_encryption_key_id))
        return replace(record, wrapped=_wrap(material, kek, record.id, record.purpose), key_encryption_key_id=kek.id)

    def self_test(self, write_and_read_raw: Callable[[str], str], table: str, row: str, column: str) -> None:
        """Prove that the storage writes ciphertext: send a marker the product's own way and look at what arrived.

        Arguments:
            write_and_read_raw: Writes a secret text to the given place exactly as any secret is written, and returns
                the column's content as the database holds it, without decrypting.
            table: The place that `write_and_read_raw` writes to.
            row: Its row.
            column: Its column.

        Raises:
            EncryptionSelfTestError: When the content is not the ciphertext of the marker for that place.
        """
        marker = f"self-test-{secrets.token_hex(16)}"
        raw = write_and_read_raw(marker)
        if marker in raw or marker.encode().hex() in raw.lower() or marker[10:] in raw:
            raise EncryptionSelfTestError("a secret reached the database in clear")
        try:
            opened = self.open_(raw, table, row, column)
        except DecryptionError as error:
            raise EncryptionSelfTestError(f"the database does not hold the ciphertext of a secret: {error}") from None
        if opened != marker.encode():
            raise EncryptionSelfTestError("the database holds the ciphertext of something else")
