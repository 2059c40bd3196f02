"""Authenticated encryption of one value: a random nonce and an AES-256-GCM ciphertext, and the text form of both."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .errors import DecryptionError

NONCE_LENGTH: Final = 12
TAG_LENGTH: Final = 16


def length_prefixed(*parts: str) -> bytes:
    """Join texts so that no two different lists give the same bytes: each with its length in four bytes before it."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4) + part for part in encoded)


def encode_box(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_box(text: str, place: str) -> bytes:
    """Return nonce and ciphertext from base64url; raises DecryptionError when it is something else or too short."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionError(place, "it is not in a known format") from None
    if len(data) < NONCE_LENGTH + TAG_LENGTH or encode_box(data) != text:
        raise DecryptionError(place, "it is not in a known format")
    return data


def encrypt(cipher: AESGCM, plaintext: bytes, bound_to: bytes) -> bytes:
    """Return a fresh random nonce followed by the ciphertext."""
    nonce = secrets.token_bytes(NONCE_LENGTH)
    return nonce + cipher.encrypt(nonce, plaintext, bound_to)


def decrypt(cipher: AESGCM, box: bytes, bound_to: bytes, place: str) -> bytes:
    """Return the plaintext; raises DecryptionError when anything was altered or is out of place."""
    try:
        return cipher.decrypt(box[:NONCE_LENGTH], box[NONCE_LENGTH:], bound_to)
    except InvalidTag:
        raise DecryptionError(place, "it was altered, moved or written under another key") from None
