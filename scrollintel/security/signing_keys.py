"""Ed25519 keys that sign the audit log's checkpoints."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..core.errors import ScrollIntelError


class SigningKeyError(ScrollIntelError):
    """A signing key cannot be used; the text never holds key material."""

    code = "signing_key_unusable"


class VerifyingKey:
    """The public half of a signing key.

    Arguments:
        key: The Ed25519 public key.
    """

    __slots__ = ("_key", "key_id")

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = "ed25519:" + hashlib.sha256(raw).hexdigest()[:32]
        """Short name of the key, derived from the key itself."""

    @classmethod
    def from_pem(cls, text: str) -> VerifyingKey:
        """Return the key in a PEM text ("-----BEGIN PUBLIC KEY-----").

        Raises:
            SigningKeyError: when the text holds no Ed25519 public key.
        """
        try:
            key = serialization.load_pem_public_key(text.encode())
        except Exception:  # the parser raises its own and OpenSSL's errors
            raise SigningKeyError("the text holds no public key in PEM form") from None
        if not isinstance(key, Ed25519PublicKey):
            raise SigningKeyError("the public key is not an Ed25519 key")
        return cls(key)

    def to_pem(self) -> str:
        """Return the key as PEM text."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_bytes(serialization.Encoding.PEM, form).decode("ascii")

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Decide whether `signature` is this key's over `message`."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """An Ed25519 key that signs; its `repr` shows its id only.

    Arguments:
        key: The Ed25519 private key.
    """

    __slots__ = ("_key", "verifying_key")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.verifying_key = VerifyingKey(key.public_key())

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    @property
    def key_id(self) -> str:
        """Short name of the key, the same as that of its public half."""
        return self.verifying_key.key_id

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, 64 bytes."""
        return self._key.sign(message)

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, raw: bytes) -> SigningKey:
        """Return the key that `to_bytes` gave.

        Raises:
            SigningKeyError: when these are not the 32 bytes of a key.
        """
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(raw))
        except ValueError:
            raise SigningKeyError("a signing key has 32 bytes") from None

    def to_bytes(self) -> bytes:
        """Return the private key, 32 bytes, for whoever seals it."""
        return self._key.private_bytes_raw()
