"""Personal data under one key per person, and what remains when the key is gone."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.core.errors import NotFoundError
from scrollintel.security.envelope import Keyring
from scrollintel.security.errors import DecryptionError, SubjectErasedError
from scrollintel.security.key_providers import KeyEncryptionKey, KeyShelf
from scrollintel.security.rotation import reseal
from scrollintel.security.subjects import SubjectKey, SubjectVault, erased, subject_id_for

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HMAC_KEY = bytes(range(32))
ADA = subject_id_for("ada@example.com", HMAC_KEY)
BOB = subject_id_for("bob@example.com", HMAC_KEY)


class People:
    """A table of subject keys in memory, and the vault over it."""

    def __init__(self) -> None:
        self.keyring = Keyring(KeyShelf("test", [KeyEncryptionKey(HMAC_KEY)], "fix it"), [])
        self.keyring.adopt(self.keyring.new_data_key("subjects", NOW))
        self.keys: dict[str, SubjectKey] = {}
        self.vault = SubjectVault(self.keyring, self.keys.get)
        for subject_id in (ADA, BOB):
            self.keys[subject_id] = self.vault.new_key(subject_id, NOW)


PEOPLE = People()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=10), JSON, max_size=4))
def test_vault_opens_what_it_sealed(personal: dict[str, object]) -> None:
    """Any JSON object survives, and the sealed form has the documented two fields."""
    sealed = PEOPLE.vault.seal(ADA, personal)
    assert sealed.keys() == {"subject", "sealed"}
    assert sealed["subject"] == ADA
    assert PEOPLE.vault.open_(sealed) == personal


def test_vault_sealed_form_shows_nothing_of_the_person() -> None:
    """Neither name nor address can be read in what goes into a record, nor are equal data seen to be equal."""
    one = PEOPLE.vault.seal(ADA, {"name": "ada@example.com"})
    two = PEOPLE.vault.seal(ADA, {"name": "ada@example.com"})
    assert "ada" not in str(one)
    assert one["sealed"] != two["sealed"]


def test_vault_box_of_one_person_does_not_open_for_another() -> None:
    """A box that was moved to another person is refused."""
    sealed = PEOPLE.vault.seal(ADA, {"name": "ada"})
    with pytest.raises(DecryptionError):
        PEOPLE.vault.open_({**sealed, "subject": BOB})


def test_vault_erased_person_cannot_be_opened_or_sealed_again() -> None:
    """With the key gone the data is gone, at once and for good, while others stay readable."""
    people = People()
    ada, bob = people.vault.seal(ADA, {"name": "ada"}), people.vault.seal(BOB, {"name": "bob"})
    people.keys[ADA] = erased(people.keys[ADA], NOW + timedelta(days=1))
    assert people.keys[ADA] == SubjectKey(ADA, None, NOW, NOW + timedelta(days=1))
    with pytest.raises(SubjectErasedError, match=ADA):
        people.vault.open_(ada)
    with pytest.raises(SubjectErasedError):
        people.vault.seal(ADA, {"name": "ada"})
    assert people.vault.open_(bob) == {"name": "bob"}


def test_vault_erased_row_with_a_key_left_in_it_is_erased_all_the_same() -> None:
    """A row that says it is erased gives nothing out, even if a restored backup brought its key back."""
    people = People()
    sealed = people.vault.seal(ADA, {"name": "ada"})
    people.keys[ADA] = SubjectKey(ADA, people.keys[ADA].wrapped, NOW, erased_at=NOW)
    with pytest.raises(SubjectErasedError):
        people.vault.open_(sealed)
    assert erased(people.keys[ADA], NOW).wrapped is None


def test_vault_box_is_plain_aes_gcm_bound_to_the_person() -> None:
    """An independent reader with the person's key opens the box from the description alone."""
    wrapped = PEOPLE.keys[ADA].wrapped
    assert wrapped is not None
    key = PEOPLE.keyring.open_(wrapped, "subjects", ADA, "wrapped")
    text = PEOPLE.vault.seal(ADA, {"b": 1, "a": "é"})["sealed"].removeprefix("sip1:")
    box = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    bound_to = b"".join(len(part).to_bytes(4, "big") + part for part in (b"sip1", ADA.encode()))
    assert AESGCM(key).decrypt(box[:12], box[12:], bound_to) == '{"a":"é","b":1}'.encode()


def test_erased_twice_keeps_the_first_time() -> None:
    """Erasing is idempotent."""
    gone = erased(PEOPLE.keys[ADA], NOW)
    assert erased(gone, NOW + timedelta(days=9)) is gone


def test_vault_wrapped_key_moved_to_another_person_is_refused() -> None:
    """A person's key cannot be revived under another id, nor be exchanged."""
    people = People()
    sealed = people.vault.seal(ADA, {"name": "ada"})
    people.keys[ADA] = SubjectKey(ADA, people.keys[BOB].wrapped, NOW)
    with pytest.raises(DecryptionError):
        people.vault.open_(sealed)


def test_vault_unknown_person_is_not_found() -> None:
    """No key is made silently."""
    with pytest.raises(NotFoundError):
        PEOPLE.vault.seal("sub_unknown", {})


@pytest.mark.parametrize(
    "sealed",
    [
        {},
        {"subject": ADA},
        {"subject": ADA, "sealed": "plain"},
        {"subject": ADA, "sealed": "sip1:AAAA"},
        {"subject": 1},
    ],
)
def test_vault_other_formats_are_refused(sealed: dict[str, str]) -> None:
    """What is not a sealed box is an error, never its own content."""
    with pytest.raises(DecryptionError):
        PEOPLE.vault.open_(sealed)


def test_subject_key_survives_the_rotation_of_the_data_key() -> None:
    """A wrapped subject key is a sealed value like any other and is resealed without touching the records."""
    people = People()
    sealed = people.vault.seal(ADA, {"name": "ada"})
    people.keyring.adopt(people.keyring.new_data_key("subjects", NOW + timedelta(days=1)))
    wrapped = people.keys[ADA].wrapped
    assert wrapped is not None
    fresh = reseal(wrapped, "subjects", ADA, "wrapped", people.keyring)
    assert people.keyring.current("subjects").id in fresh
    people.keys[ADA] = SubjectKey(ADA, fresh, NOW)
    assert people.vault.open_(sealed) == {"name": "ada"}


def test_subject_id_is_opaque_stable_and_keyed() -> None:
    """The same name gives the same id under one key only, and the id shows nothing."""
    assert re.fullmatch("sub_[0-9a-f]{32}", ADA)
    assert subject_id_for("ada@example.com", HMAC_KEY) == ADA != BOB
    assert subject_id_for("ada@example.com", HMAC_KEY[::-1]) != ADA
    with pytest.raises(ValueError, match="at least 32 bytes"):
        subject_id_for("ada@example.com", b"short")
