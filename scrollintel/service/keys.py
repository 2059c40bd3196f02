"""The keys of a running control plane: opened when the database is, made when it is new, counted as they are used."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace

from ..control.records import CONTROL_STATE, ControlStateRecord
from ..security.envelope import CONFIGURATION, Keyring
from ..security.envelope import SUBJECTS as PERSONS
from ..security.errors import KeyUnavailableError
from ..security.key_providers import KeyProvider
from ..security.kinds import DATA_KEYS, SUBJECTS
from ..security.secret_digest import SecretDigest
from ..security.signing_keys import SigningKey
from ..security.subjects import SubjectVault
from ..storage.transaction import Records, Transaction
from .caller import SYSTEM

PURPOSES = (CONFIGURATION, PERSONS)
DIGEST_KEY = "secret_digest_key"
SIGNING_KEY = "audit_signing_key"
SEALED_STATE = (DIGEST_KEY, SIGNING_KEY)
"""Facts about the control plane whose value is sealed."""


def state_place(name: str) -> tuple[str, str, str]:
    """Return where a sealed fact about the control plane lies: table, row and column."""
    return "control_state", name, "value"


class Keys:
    """The keyring, the key of secret digests, the key that signs the audit log, and the vault of personal data.

    The signing key lies sealed in the database: whichever host serves signs with the one key of the log, so checkpoints
    of several hosts are verified alike, and a copy of the database without the key-encryption key signs nothing.

    Arguments:
        records: Where data keys and subjects lie.
        provider: Gives the provider of key-encryption keys; its argument tells whether it may make the first one.
    """

    def __init__(self, records: Records, provider: Callable[[bool], KeyProvider]) -> None:
        self._records = records
        self._make_provider = provider
        self._ring: Keyring | None = None
        self._digest: SecretDigest | None = None
        self._digest_key: bytes | None = None
        self._subject_key: bytes | None = None
        self.signing: SigningKey | None = None
        """Signs checkpoints of the audit log; None before the database was read, or while it holds no key yet."""
        self.provider: KeyProvider | None = None
        self.incomplete = False

    def load(self) -> None:
        """Open the data keys that were loaded.

        Raises:
            KeyUnavailableError: when a key-encryption key is missing or wrong; nothing is written then.
        """
        known = self._records.values(DATA_KEYS)
        self.provider = self._make_provider(not known)
        ring = Keyring(self.provider, known)
        digest_key, signing_key = (self._opened(ring, name) for name in SEALED_STATE)
        if digest_key is None:  # one that was made here has not come to be stored
            self._digest = self._digest_key = self._subject_key = None
        else:
            self._take_digest_key(digest_key)
        self.signing = None if signing_key is None else SigningKey.from_bytes(signing_key)
        self._ring = ring
        purposes = {record.purpose for record in known if record.retired_at is None}
        self.incomplete = self._digest is None or self.signing is None or not purposes.issuperset(PURPOSES)

    def _opened(self, ring: Keyring, name: str) -> bytes | None:
        state = self._records.get(CONTROL_STATE, name)
        return None if state is None else base64.b64decode(ring.open_(str(state.value), *state_place(name)))

    def _take_digest_key(self, key: bytes) -> None:
        self._digest, self._digest_key = SecretDigest(key), key
        self._subject_key = hmac.new(key, b"scrollintel subject ids", hashlib.sha256).digest()

    def complete(self, tx: Transaction) -> None:
        """Make the keys that a new database lacks; the one that signs the audit log is introduced in the log."""
        ring = self.ring
        # What is stored counts: a group that the database refuses is made again, with the keys of the first time.
        stored = {record.purpose for record in tx.values(DATA_KEYS) if record.retired_at is None}
        made = {record.purpose: record for record in ring.records() if record.retired_at is None}
        for purpose in PURPOSES:
            if purpose not in stored:
                record = made.get(purpose) or ring.new_data_key(purpose, tx.now)
                tx.put(DATA_KEYS, record)
                ring.adopt(record)
        if tx.get(CONTROL_STATE, DIGEST_KEY) is None:
            key = self._digest_key or secrets.token_bytes(32)
            self._seal(tx, DIGEST_KEY, key)
            self._take_digest_key(key)
        if tx.get(CONTROL_STATE, SIGNING_KEY) is None:
            signing = self.signing or SigningKey.generate()
            self._seal(tx, SIGNING_KEY, signing.to_bytes())
            public: dict[str, object] = {"public_key": signing.verifying_key.to_pem()}
            tx.audit(SYSTEM.entry("audit.introduce_key", "signing_key", signing.key_id, at=tx.now, after=public))
            self.signing = signing
        self.store_counts(tx)
        self.incomplete = False

    def _seal(self, tx: Transaction, name: str, key: bytes) -> None:
        sealed = self.ring.seal(base64.b64encode(key), *state_place(name))
        tx.put(CONTROL_STATE, ControlStateRecord(key=name, value=sealed))

    def store_counts(self, tx: Transaction) -> None:
        """Store what the data keys have counted, together with the values that they sealed."""
        ring = self._ring
        if ring is None:
            return
        for counted in ring.changed():
            # The change itself may have retired or rewrapped the key: only the count is added to that.
            known = tx.get(DATA_KEYS, counted.id)
            if known is None:
                continue
            record = replace(known, seals_reserved=counted.seals_reserved)
            tx.put(DATA_KEYS, record)
            tx.afterwards(lambda record=record: ring.adopt(record))  # type: ignore[misc]  # bound now, not later

    @property
    def ring(self) -> Keyring:
        """The keyring; raises KeyUnavailableError before the database was read."""
        if self._ring is None:
            raise KeyUnavailableError("for the database", "it has not been read yet", "Wait until it can be reached")
        return self._ring

    @property
    def digest(self) -> SecretDigest:
        """Replaces secrets in the audit log; raises KeyUnavailableError before the database was read."""
        if self._digest is None:
            raise KeyUnavailableError("of the audit log", "it has not been read yet", "Wait until it can be reached")
        return self._digest

    @property
    def subject_key(self) -> bytes:
        """Makes the opaque ids of persons; raises KeyUnavailableError before the database was read."""
        if self._subject_key is None:
            raise KeyUnavailableError(
                "of persons", "it has not been read yet", "Wait until the database can be reached"
            )
        return self._subject_key

    @property
    def vault(self) -> SubjectVault:
        """Seals personal data."""
        return SubjectVault(self.ring, lambda subject: self._records.get(SUBJECTS, subject))
