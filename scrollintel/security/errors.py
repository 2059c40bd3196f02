"""What goes wrong with identities, keys and ciphertext. No text or `details` here holds a secret or a person's data."""

from __future__ import annotations

from typing import Any

from ..core.errors import ScrollIntelError


class SecurityError(ScrollIntelError):
    """Base of the errors about identities, keys and encrypted values."""

    code = "security_error"


class TokenRefusedError(SecurityError):
    """A bearer token is not accepted.

    Arguments:
        reason: A fixed word such as "expired" or "wrong_audience", for the audit record and the log. The caller of the
            API never learns it, so the text of the error and `details` leave it out.
    """

    code = "unauthenticated"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return "the token is not accepted"


class UnknownSigningKeyError(TokenRefusedError):
    """The token names a signing key that the configured key set does not hold; a refresh may bring it."""

    def __init__(self) -> None:
        super().__init__("unknown_key")

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle asks for
        return (type(self), ())


class KeySetUnavailableError(SecurityError):
    """The identity provider's key set could not be fetched or read; keys known before stay in use.

    Arguments:
        source: The configured URL or file.
        problem: One phrase for the operator.
    """

    code = "key_set_unavailable"

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source = source
        self.problem = problem

    def __str__(self) -> str:
        return f"the key set of {self.source} is not available: {self.problem}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"source": self.source, "problem": self.problem}


class ProviderUnavailableError(SecurityError):
    """The identity provider cannot be asked now, or answers something else than it should.

    Arguments:
        problem: One phrase for the operator; never what was sent or received.
    """

    code = "provider_unavailable"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the identity provider is not available: {self.problem}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"problem": self.problem}


class KeyUnavailableError(SecurityError):
    """A key that is needed is missing, unreadable or the wrong one. Nothing is written or read without it.

    Arguments:
        source: Where the key was looked for: a path, a variable's name, a program, or the id of a key.
        problem: One phrase for the operator.
        remedy: What the operator can do about it.
    """

    code = "key_unavailable"

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        super().__init__(source, problem, remedy)
        self.source = source
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"key {self.source}: {self.problem}. {self.remedy}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"source": self.source, "problem": self.problem, "remedy": self.remedy}


class KeyExhaustedError(SecurityError):
    """A data key has sealed as many values as random nonces allow; a new data key must take over."""

    code = "key_exhausted"

    def __init__(self, key_id: str) -> None:
        super().__init__(key_id)
        self.key_id = key_id

    def __str__(self) -> str:
        return f"data key {self.key_id} has sealed as many values as it may; rotate the data keys"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"key_id": self.key_id}


class DecryptionError(SecurityError):
    """A stored value does not open: it was altered, moved, written in an unknown format, or its key is gone.

    Arguments:
        place: Table, row and column, or whatever else names the value.
        problem: One phrase for the operator.
    """

    code = "decryption_failed"

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.place = place
        self.problem = problem

    def __str__(self) -> str:
        return f"the encrypted value at {self.place} cannot be opened: {self.problem}"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"place": self.place, "problem": self.problem}


class EncryptionSelfTestError(SecurityError):
    """What the storage wrote for a secret is not its ciphertext, so nothing secret may be written."""

    code = "encryption_self_test_failed"


class SubjectErasedError(SecurityError):
    """The personal data of this subject was erased for good."""

    code = "subject_erased"

    def __init__(self, subject_id: str) -> None:
        super().__init__(subject_id)
        self.subject_id = subject_id

    def __str__(self) -> str:
        return f"the personal data of {self.subject_id} has been erased"

    @property
    def details(self) -> dict[str, Any]:  # Any: JSON values of mixed types
        return {"subject": self.subject_id}
