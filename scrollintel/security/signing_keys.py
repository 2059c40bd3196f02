"""Ed25519 keys that sign the audit log's checkpoints, and the files that hold them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ..core.errors import ScrollIntelError

_LARGEST_FILE = 65_536  # bytes; a key in PEM has about 120
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class SigningKeyError(ScrollIntelError):
    """A signing key or its file cannot be used; the text says what to do, and never holds key material."""

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
    def load(cls, path: Path) -> SigningKey:
        """Return the key in a PEM file that only its owner may read.

        Raises:
            SigningKeyError: when the file is missing, is open to group or others, or holds no Ed25519 key.
        """
        try:
            with path.open("rb") as file:
                # The opened file is judged, not the name: what is read is what was checked.
                mode = os.fstat(file.fileno()).st_mode
                if os.name == "posix" and mode & _OTHERS:
                    shown = f"{stat.S_IMODE(mode):04o}"
                    problem = f"may be used by others than its owner (mode {shown}); run: chmod 600 {path}"
                    raise SigningKeyError(f"the signing key {path} {problem}")
                text = file.read(_LARGEST_FILE)
        except OSError as error:
            raise SigningKeyError(f"the signing key {path} cannot be read: {error.strerror}") from error
        try:
            key = serialization.load_pem_private_key(text, password=None)
        except Exception:  # the parser raises its own and OpenSSL's errors, whose text may quote the file
            raise SigningKeyError(f"the file {path} holds no unencrypted private key in PEM form") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise SigningKeyError(f"the file {path} holds a key that is not an Ed25519 key")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key to a new PEM file with mode 0600, durably. An existing file is never replaced.

        Raises:
            SigningKeyError: when the file exists or cannot be written.
        """
        form = serialization.PrivateFormat.PKCS8
        text = self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise SigningKeyError(f"the file {path} exists; a key is never replaced") from None
        except OSError as error:
            raise SigningKeyError(f"the signing key {path} cannot be created: {error.strerror}") from error
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            sync_folder(path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise SigningKeyError(f"the signing key {path} cannot be written: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable; does nothing where a folder cannot be opened, as on Windows.

    Raises:
        OSError: when the disk refuses.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
