"""The Merkle tree against the definitions of RFC 9162, written down once more in their plainest form."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollintel.security.merkle import (
    EMPTY_ROOT,
    MerkleFrontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(min_value=1, max_value=70)


def data(size: int) -> list[bytes]:
    """Return `size` different leaves."""
    return [b"leaf %d" % n for n in range(size)]


def leaves_of(size: int) -> list[bytes]:
    """Return their hashes."""
    return [leaf_hash(item) for item in data(size)]


def naive_root(items: list[bytes]) -> bytes:
    """Section 2.1.1, word by word."""
    if not items:
        return hashlib.sha256(b"").digest()
    if len(items) == 1:
        return hashlib.sha256(b"\x00" + items[0]).digest()
    k = 1
    while k * 2 < len(items):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(items[:k]) + naive_root(items[k:])).digest()


def naive_path(m: int, items: list[bytes]) -> list[bytes]:
    """Section 2.1.3.1."""
    if len(items) == 1:
        return []
    k = 1
    while k * 2 < len(items):
        k *= 2
    if m < k:
        return [*naive_path(m, items[:k]), naive_root(items[k:])]
    return [*naive_path(m - k, items[k:]), naive_root(items[:k])]


def naive_subproof(m: int, items: list[bytes], complete: bool) -> list[bytes]:
    """Section 2.1.4.1."""
    if m == len(items):
        return [] if complete else [naive_root(items)]
    k = 1
    while k * 2 < len(items):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, items[:k], complete), naive_root(items[k:])]
    return [*naive_subproof(m - k, items[k:], False), naive_root(items[:k])]


def test_root_known_trees_are_those_of_certificate_transparency() -> None:
    """Two roots of the reference test vectors of RFC 6962 implementations."""
    inputs = [bytes.fromhex(t) for t in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
    inputs.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
    hashes = [leaf_hash(item) for item in inputs]
    assert root_of(hashes[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of(hashes).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_frontier_root_at_every_size_is_the_naive_root() -> None:
    """Growing leaf by leaf gives the same roots as building each tree anew."""
    frontier = MerkleFrontier()
    assert frontier.root() == EMPTY_ROOT == naive_root([])
    for size in range(1, 130):
        frontier.append(leaf_hash(data(size)[-1]))
        assert frontier.size == size
        assert frontier.root() == naive_root(data(size))


@given(size=st.integers(min_value=0, max_value=70), more=st.integers(min_value=0, max_value=20))
def test_frontier_kept_over_a_restart_grows_on(size: int, more: int) -> None:
    """Size and hashes are enough to go on; a copy does not change its original."""
    hashes = leaves_of(size + more)
    frontier = MerkleFrontier()
    for leaf in hashes[:size]:
        frontier.append(leaf)
    restored, twin = MerkleFrontier.from_list(frontier.size, frontier.to_list()), frontier.copy()
    for leaf in hashes[size:]:
        restored.append(leaf)
        twin.append(leaf)
    assert restored.root() == twin.root() == naive_root(data(size + more))
    assert frontier.root() == naive_root(data(size))
    assert frontier.size == size


@pytest.mark.parametrize(
    ("size", "hashes"), [(-1, []), (3, ["00" * 32]), (1, ["00" * 31]), (1, ["zz" * 32]), (0, ["00" * 32])]
)
def test_frontier_hashes_that_do_not_fit_are_refused(size: int, hashes: list[str]) -> None:
    """A stored frontier that is damaged is not taken for one."""
    with pytest.raises(ValueError, match=r"Merkle|hexadecimal"):
        MerkleFrontier.from_list(size, hashes)


@given(size=SIZES, choice=st.randoms(use_true_random=False))
def test_inclusion_proof_is_the_one_of_the_rfc_and_proves_only_its_leaf(size: int, choice) -> None:  # type: ignore[no-untyped-def]
    """The proof verifies for its leaf, index, size and root, and for no other."""
    index = choice.randrange(size)
    hashes, root = leaves_of(size), naive_root(data(size))
    proof = inclusion_proof(hashes, index)
    assert proof == naive_path(index, data(size))
    assert verify_inclusion(hashes[index], index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root)
    assert not verify_inclusion(hashes[index], index, size, proof, leaf_hash(b"root"))
    assert not verify_inclusion(hashes[index], index, size, [*proof, root], root)
    assert not verify_inclusion(hashes[index], size, size, proof, root)
    assert not verify_inclusion(hashes[index], -1, size, proof, root)
    if proof:
        at = choice.randrange(len(proof))
        bad = [leaf_hash(b"bad") if n == at else item for n, item in enumerate(proof)]
        assert not verify_inclusion(hashes[index], index, size, bad, root)
        assert not verify_inclusion(hashes[index], index, size, proof[:-1], root)
        other = choice.choice([n for n in range(size) if n != index])
        assert not verify_inclusion(hashes[index], other, size, proof, root)


@given(new=SIZES, choice=st.randoms(use_true_random=False))
def test_consistency_proof_is_the_one_of_the_rfc_and_proves_only_its_trees(new: int, choice) -> None:  # type: ignore[no-untyped-def]
    """The proof verifies for its two trees, and for no other."""
    old = choice.randint(1, new)
    hashes, old_root, new_root = leaves_of(new), naive_root(data(old)), naive_root(data(new))
    proof = consistency_proof(hashes, old)
    assert proof == (naive_subproof(old, data(new), True) if old < new else [])
    assert verify_consistency(old, old_root, new, new_root, proof)
    wrong = leaf_hash(b"wrong")
    assert not verify_consistency(old, wrong, new, new_root, proof)
    assert not verify_consistency(old, old_root, new, wrong, proof)
    assert not verify_consistency(old, old_root, new, new_root, [*proof, wrong])
    if proof:
        at = choice.randrange(len(proof))
        bad = [wrong if n == at else item for n, item in enumerate(proof)]
        assert not verify_consistency(old, old_root, new, new_root, bad)
        assert not verify_consistency(old, old_root, new, new_root, proof[:-1])
        assert not verify_consistency(old, old_root, new, new_root, [])


def test_consistency_edges_are_decided() -> None:
    """Everything grows from the empty tree, nothing shrinks."""
    hashes = leaves_of(3)
    root = root_of(hashes)
    assert consistency_proof(hashes, 0) == []
    assert verify_consistency(0, EMPTY_ROOT, 3, root, [])
    assert not verify_consistency(0, root, 3, root, [])
    assert not verify_consistency(0, EMPTY_ROOT, 3, root, [root])
    assert not verify_consistency(3, root, 2, root_of(hashes[:2]), [])
    assert not verify_consistency(-1, root, 3, root, [])
    for size in (-1, 4):
        with pytest.raises(ValueError, match="larger"):
            consistency_proof(hashes, size)


@pytest.mark.parametrize("index", [-1, 3])
def test_inclusion_of_a_leaf_that_is_not_there_is_refused(index: int) -> None:
    """There is no proof for a leaf outside of the tree."""
    with pytest.raises(IndexError):
        inclusion_proof(leaves_of(3), index)
