"""The usable public keys of an identity provider in memory, and when to fetch them again."""

from __future__ import annotations

import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import KeySetUnavailableError, UnknownSigningKeyError
from .key_sets import Jwk, KeySetSource

if TYPE_CHECKING:
    from joserfc.jwk import Key

REFRESH_EVERY: Final = 300.0
"""Seconds after which a key set is fetched again."""
RETRY_EVERY: Final = 30.0
"""Seconds between two fetches at least, whatever tokens ask for."""
MAX_KEYS: Final = 100
MIN_RSA_BITS: Final = 2048

KEY_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519", "Ed448"),
}
"""Signature algorithms by type of key. Symmetric ones are missing on purpose: a public key must never serve as one."""

_PUBLIC_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and which algorithms of the configuration it may verify."""

    id: str | None
    key: Key
    algorithms: frozenset[str]


def usable_key(jwk: Jwk, algorithms: Iterable[str]) -> SigningKey | None:
    """Return the key when it may verify signatures with one of `algorithms`, else None.

    Keys for encryption, symmetric keys, weak RSA keys and damaged keys are left out, so that one of them in the set
    does not spoil the others. Private parts are dropped unread.
    """
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    kind = jwk.get("kty")
    if not isinstance(kind, str) or kind not in KEY_TYPES or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    key_id = jwk.get("kid")
    allowed = frozenset(algorithms).intersection(KEY_TYPES[kind])
    if "alg" in jwk:
        allowed = allowed.intersection([jwk["alg"]] if isinstance(jwk["alg"], str) else [])
    public = {name: value for name in _PUBLIC_FIELDS[kind] if isinstance(value := jwk.get(name), str)}
    if not allowed or not isinstance(key_id, str | None) or len(public) != len(_PUBLIC_FIELDS[kind]):
        return None
    try:
        if kind == "RSA" and _bits(public["n"]) < MIN_RSA_BITS:
            return None
        return SigningKey(key_id, import_key({"kty": kind, **public}), allowed)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(text: str) -> int:
    """Return how many bits a number in base64url has."""
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4))).bit_length()


class SigningKeyCache:
    """Public keys by id. Looking up never blocks; `refresh` does.

    Arguments:
        source: Where the key set comes from.
        algorithms: The algorithms of our configuration.
        monotonic: Source of seconds that never go back.
    """

    def __init__(
        self, source: KeySetSource, algorithms: Iterable[str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._algorithms = tuple(algorithms)
        self._monotonic = monotonic
        self._fetching = threading.Lock()  # held during a fetch; never taken by a lookup
        self._keys: tuple[SigningKey, ...] = ()
        self._tried_at: float | None = None
        self._fetched_at: float | None = None
        self._missed = False  # a token named an unknown key since the last fetch

    def find(self, key_id: str | None, algorithm: str) -> Key:
        """Return the key for a token's header.

        A token that names no key is accepted only when exactly one key of the set fits its algorithm.

        Raises:
            UnknownSigningKeyError: When there is none; a refresh is then due soon.
        """
        fitting = [key for key in self._keys if algorithm in key.algorithms and key_id in (None, key.id)]
        if not fitting or (key_id is None and len(fitting) > 1):
            self._missed = True
            raise UnknownSigningKeyError
        return fitting[0].key

    def is_refresh_due(self) -> bool:
        """Tell whether to call `refresh`: at the start, every 5 minutes, or for an unknown key.

        Never sooner than 30 s after the last try, so that forged tokens cannot cause a flood of requests.
        """
        now = self._monotonic()
        if self._tried_at is None:
            return True
        if now - self._tried_at < RETRY_EVERY:
            return False
        return self._missed or self._fetched_at is None or now - self._fetched_at >= REFRESH_EVERY

    def refresh(self) -> bool:
        """Fetch the key set when that is due; blocks. Return whether it was fetched.

        A caller that meets a fetch under way waits for it. The former keys stay when it fails.

        Raises:
            KeySetUnavailableError: When the fetch fails, or the set has no usable key or more than 100.
        """
        with self._fetching:
            if not self.is_refresh_due():
                return False
            self._tried_at = self._monotonic()
            published = self._source.read()
            if len(published) > MAX_KEYS:
                raise KeySetUnavailableError(self._source.name, f"it has more than {MAX_KEYS} keys")
            found = (usable_key(jwk, self._algorithms) for jwk in published)
            keys = tuple(key for key in found if key is not None)
            if not keys:
                raise KeySetUnavailableError(self._source.name, "it holds no key for an allowed algorithm")
            self._keys = keys
            self._missed = False
            self._fetched_at = self._monotonic()
            return True
