"""Merkle trees over record hashes after RFC 9162, section 2.1: roots while the log grows, and proofs about them.

A leaf is hashed with the prefix 0x00 and a node with 0x01, so that neither can pass for the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

_HASH_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf that holds `data`; for the audit log this is a record's hash, 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleFrontier:
    """The right edge of a tree: enough to add leaves and to know the root, in as many hashes as `size` has one bits.

    Pure and not thread-safe. `copy()` costs one short list.
    """

    __slots__ = ("_peaks", "_size")

    def __init__(self) -> None:
        self._peaks: list[bytes] = []  # roots of the complete subtrees, the largest and leftmost first
        self._size = 0

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash (from `leaf_hash`) at the right."""
        size = self._size
        peaks = self._peaks
        while size & 1:
            leaf = hashlib.sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """Return the root of all leaves so far, 32 bytes."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for left in reversed(self._peaks[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> MerkleFrontier:
        """Return an independent frontier of the same leaves."""
        twin = MerkleFrontier()
        twin._peaks = self._peaks.copy()
        twin._size = self._size
        return twin

    def to_list(self) -> list[str]:
        """Return the hashes as hexadecimal text, to be kept with `size` over a restart."""
        return [peak.hex() for peak in self._peaks]

    @classmethod
    def from_list(cls, size: int, hashes: Sequence[str]) -> MerkleFrontier:
        """Return the frontier of `size` leaves from what `to_list` gave.

        Raises:
            ValueError: when `size` is negative, the number of hashes does not fit it, or one is not 32 bytes in
                hexadecimal.
        """
        if size < 0 or len(hashes) != size.bit_count():
            raise ValueError("the number of hashes of a Merkle frontier does not fit its size")
        peaks = [bytes.fromhex(text) for text in hashes]
        if any(len(peak) != _HASH_SIZE for peak in peaks):
            raise ValueError("a hash of a Merkle frontier has 32 bytes")
        frontier = cls()
        frontier._peaks = peaks
        frontier._size = size
        return frontier


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, 32 bytes."""
    frontier = MerkleFrontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof that the leaf at `index` (from 0) is in the tree of all `leaves` (RFC 9162, 2.1.3.1).

    Raises:
        IndexError: when there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError("no such leaf")
    path: list[bytes] = []
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Decide whether `proof` shows the leaf hash at `index` in the tree of `size` leaves (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and computed == root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the proof that the tree of the first `old_size` leaves grew into the tree of all (RFC 9162, 2.1.4.1).

    The proof is empty when the sizes are equal or `old_size` is 0: every tree grows from the empty one.

    Raises:
        ValueError: when `old_size` is negative or larger than the tree.
    """
    if not 0 <= old_size <= len(leaves):
        raise ValueError("the older tree cannot be larger than the newer one")
    if old_size in (0, len(leaves)):
        return []
    path: list[bytes] = []
    start, end = 0, len(leaves)
    known = True  # whether the verifier knows the older part as the root it was given
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[start:middle]))
            start = middle
            known = False
    if not known:
        path.append(root_of(leaves[start:end]))
    path.reverse()
    return path


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Decide whether `proof` shows that the older tree is the beginning of the newer one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not proof and old_root == new_root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    rest = list(proof)
    if old_size & (old_size - 1) == 0:
        rest.insert(0, old_root)
    if not rest:
        return False
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        node >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == new_root


def _split(size: int) -> int:
    """Return the largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)
