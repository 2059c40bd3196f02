"""Judge a chain of audit records, one after the other, and name the first bad one.

Every record is read and hashed again: looking at the ends alone would accept a forged middle (immudb, CVE-2022-36111).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter

from .audit_chain import INDEX_COLUMNS, START, VERSION, ChainHead, digest
from .audit_export import ExportRow
from .checkpoints import SignedCheckpoint
from .merkle import MerkleFrontier, leaf_hash
from .signing_keys import VerifyingKey

LIMIT = 20
"""Problems that a report lists; further ones are only counted."""

_BODY_FIELDS = frozenset(
    {"v", "log", "sequence", "previous", "count", "reason", "before", "after", "personal", *INDEX_COLUMNS}
)
_decode = json.JSONDecoder().decode
_columns_of = itemgetter(*INDEX_COLUMNS)
_FIRST_COLUMN = ExportRow._fields.index(INDEX_COLUMNS[0])
_COLUMNS = slice(_FIRST_COLUMN, _FIRST_COLUMN + len(INDEX_COLUMNS))


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        sequence: Number of the record it is about, or None when it is about no record, such as a header.
        text: One sentence for an auditor.
    """

    sequence: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """The verdict on a log or an export.

    Attributes:
        ok: Whether nothing is wrong.
        log_id: Id of the log.
        records: How many records were read.
        checkpoints: How many checkpoints were compared with the records.
        head: The last record read, or where a log without records stands; compare it with a head known elsewhere.
        first_bad: Number of the first bad record. Where records were recomputed together with their hashes, it is the
            first that no checkpoint vouches for, and `problem` says how far the doubt reaches. None when nothing is
            wrong or no record is at fault.
        problem: What is wrong there, as one sentence; empty when nothing is.
        problems: The first 20 problems in the order in which they were found.
        problem_count: How many there are.
        notes: What limits the verdict, such as missing checkpoints.
    """

    ok: bool
    log_id: str
    records: int
    checkpoints: int
    head: ChainHead
    first_bad: int | None
    problem: str
    problems: tuple[Problem, ...]
    problem_count: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "log_id": self.log_id,
            "records": self.records,
            "checkpoints": self.checkpoints,
            "head_sequence": self.head.sequence,
            "head_hash": self.head.hash.hex(),
            "first_bad": self.first_bad,
            "problem": self.problem,
            "problems": [{"sequence": item.sequence, "text": item.text} for item in self.problems],
            "problem_count": self.problem_count,
            "notes": list(self.notes),
        }


class Verifier:
    """Takes rows and checkpoints in their order, one at a time, and gives the report at the end.

    Arguments:
        log_id: Id of the log.
        start: The head before the first row.
        frontier: The Merkle tree up to there; None when it is not known, then roots are not compared.
        anchors: Checkpoints from elsewhere; each is compared when the records reach it. A head without a root counts
            as one as well.
        keys: Public keys that are trusted; a checkpoint by another key is a problem. Empty: signatures are not checked.
    """

    def __init__(
        self,
        log_id: str,
        *,
        start: ChainHead = START,
        frontier: MerkleFrontier | None = None,
        anchors: Iterable[SignedCheckpoint | ChainHead] = (),
        keys: Iterable[VerifyingKey] = (),
    ) -> None:
        self._log_id = log_id
        self._head = start
        self._linked = True  # whether the head's hash may be held against the next record
        self._tree = None if frontier is None else frontier.copy()
        self._keys = {key.key_id: key for key in keys}
        self._vouched = start.sequence  # the last record that a checkpoint or the start vouches for
        self._broken_link = False  # whether the head is not linked to the record before; the next row says who lied
        self._records = 0
        self._checkpoints = 0
        self._problems: list[Problem] = []
        self._problem_count = 0
        self._first_bad: Problem | None = None  # the first problem about a record
        self._notes: list[str] = []
        self._damaged = False  # whether a record is known to be bad; no later hash or root can then fit
        self._anchors: dict[int, list[SignedCheckpoint | ChainHead]] = {}
        for anchor in anchors:
            if isinstance(anchor, ChainHead) or self._is_authentic(anchor):
                self._anchors.setdefault(_size(anchor), []).append(anchor)
        self._compare_anchors()

    @property
    def head(self) -> ChainHead:
        """The last row read."""
        return self._head

    def note(self, text: str) -> None:
        """Add what limits the verdict."""
        self._notes.append(text)

    def fault(self, sequence: int | None, text: str) -> None:
        """Add a problem that was found outside of the rows and checkpoints."""
        problem = Problem(sequence, text)
        self._problem_count += 1
        if len(self._problems) < LIMIT:
            self._problems.append(problem)
        if sequence is not None and self._first_bad is None:
            self._first_bad = problem

    def unreadable(self, text: str) -> None:
        """Count a row that could not be read, and go on behind it."""
        self._settle_link(confirmed=False)
        self._records += 1
        self._bad(self._head.sequence + 1, text)
        self._head = ChainHead(self._head.sequence + 1, START.hash)

    def row(self, row: ExportRow) -> None:
        """Check one record against its hash, its searchable fields, and the record before it."""
        self._records += 1
        expected = self._head.sequence + 1
        try:
            body = row.body.encode("ascii")
            fields = _decode(row.body)
            computed = digest(body)
            previous = fields["previous"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self._settle_link(confirmed=False)
            self._bad(expected, f"the text of record {expected} cannot be read")
            self._head = ChainHead(expected, START.hash)
            return
        linked = previous == self._head.hash.hex()
        if self._broken_link:
            self._settle_link(confirmed=linked)
        problem = _misplaced(row.sequence, expected) or _mismatch(row, fields, computed.hex(), self._log_id)
        if problem:
            self._bad(_blamed(row.sequence, fields.get("sequence"), expected), problem)
            self._head = ChainHead(_next_place(row.sequence, fields.get("sequence"), expected), computed)
            return
        self._broken_link = self._linked and not linked
        self._linked = True
        self._head = ChainHead(expected, computed)
        if self._tree is not None:
            self._tree.append(leaf_hash(computed))
        if expected in self._anchors:
            self._compare_anchors()

    def checkpoint(self, signed: SignedCheckpoint) -> None:
        """Check a checkpoint that stands behind the record it covers."""
        if not self._is_authentic(signed):
            return
        size, last = signed.checkpoint.size, self._head.sequence
        if size == last:
            self._compare(signed)
            return
        # A signed statement about records that do not stand before it: they are missing, or the line was moved.
        missing = last + 1 if size > last else None
        self.fault(missing, f"a checkpoint over {size} records stands behind record {last}")

    def report(self, *, complete: bool) -> VerificationReport:
        """Return the verdict.

        Arguments:
            complete: Whether the rows should reach as far as every anchor; if so, missing ones are a problem.
        """
        self._settle_link(confirmed=False)
        last = self._head.sequence
        newest = max(self._anchors, default=0)
        if newest > last and complete:
            self.fault(last + 1, f"the records end at {last}, but a checkpoint kept elsewhere covers {newest}")
        elif newest > last:
            self.note(f"checkpoints cover {newest} records; those after {last} were not looked at")
        if not self._checkpoints:
            self.note("no checkpoint was compared: records cut off at the end, or a recomputed chain, would not show")
        elif self._vouched < last:
            self.note(f"no checkpoint covers the records after {self._vouched}")
        if self._checkpoints and self._tree is None:
            self.note("the tree of the records before the first is not known: Merkle roots were not compared")
        first = self._first_bad or next(iter(self._problems), None)
        return VerificationReport(
            ok=first is None,
            log_id=self._log_id,
            records=self._records,
            checkpoints=self._checkpoints,
            head=self._head,
            first_bad=first.sequence if first else None,
            problem=first.text if first else "",
            problems=tuple(self._problems),
            problem_count=self._problem_count,
            notes=tuple(self._notes),
        )

    def _bad(self, sequence: int, text: str) -> None:
        self.fault(sequence, text)
        # What follows is judged by itself: the damage is named once, not at every later record.
        self._linked = False
        self._damaged = True

    def _settle_link(self, *, confirmed: bool) -> None:
        """Name the record behind a broken link, now that it is known whether something vouches for the head."""
        if not self._broken_link:
            return
        self._broken_link = False
        head = self._head.sequence
        # A head that is vouched for holds the true hash of its predecessor, so the predecessor was replaced.
        blamed = head - 1 if confirmed and head - 1 > self._vouched else head
        self.fault(blamed, f"record {head} is not linked to record {head - 1} as it stands: record {blamed} is forged")
        self._linked = blamed != head  # nothing is linked to a forged head, which is no news
        self._damaged = True

    def _compare_anchors(self) -> None:
        for anchor in self._anchors.get(self._head.sequence, ()):
            self._compare(anchor)

    def _compare(self, anchor: SignedCheckpoint | ChainHead) -> None:
        """Hold a checkpoint, or a head known elsewhere, against the records up to here."""
        size = _size(anchor)
        if isinstance(anchor, ChainHead):
            label, head_hash, root = "the expected head", anchor.hash, None
        else:
            label, head_hash, root = _label(anchor), anchor.checkpoint.head_hash, anchor.checkpoint.root
        self._checkpoints += 1
        same_head = head_hash == self._head.hash
        if self._broken_link:
            self._settle_link(confirmed=same_head)
        if self._damaged:
            return
        if same_head and (root is None or self._tree is None or self._tree.root() == root):
            self._vouched = size
            return
        self._damaged = True
        since = min(self._vouched + 1, size)
        what = f"one or more of the records {since} to {size} are forged"
        self.fault(since or None, f"the records do not fit {label} over {size} records: {what}")

    def _is_authentic(self, signed: SignedCheckpoint) -> bool:
        point = signed.checkpoint
        if point.log_id != self._log_id:
            self.fault(None, f"{_label(signed)} belongs to another log")
            return False
        if not self._keys:
            return True
        key = self._keys.get(point.key_id)
        if key is None or not signed.verify(key):
            why = "is signed by a key that is not trusted" if key is None else "has a wrong signature"
            self.fault(None, f"{_label(signed)} over {point.size} records {why}")
            return False
        return True


def _mismatch(row: ExportRow, fields: dict[str, object], computed: str, log_id: str) -> str:
    """Return how a row differs from its own text, or an empty text."""
    if computed != row.hash:
        return f"the hash of record {row.sequence} does not fit its text"
    if fields.keys() != _BODY_FIELDS or fields["v"] != VERSION:
        return f"the text of record {row.sequence} is not of version {VERSION}"
    if fields["sequence"] != row.sequence:
        return f"the text of record {row.sequence} has another number"
    if fields["log"] != log_id:
        return f"record {row.sequence} belongs to another log"
    if row[_COLUMNS] != _columns_of(fields):
        wrong = [name for name in INDEX_COLUMNS if getattr(row, name) != fields[name]]
        return f"the field {wrong[0]} of record {row.sequence} does not fit its text"
    return ""


def _misplaced(sequence: object, expected: int) -> str:
    """Return what stands in the place of record `expected`, or an empty text when it is that record."""
    if type(sequence) is int and sequence == expected:
        return ""
    if _is_repeated(sequence, expected):
        return f"there are two records with the number {sequence}"
    return f"where record {expected} should stand there is record {sequence!r:.40}"


def _next_place(sequence: object, inside: object, expected: int) -> int:
    """Return the number of the place that a bad row has used up, so that what follows is judged by itself."""
    if type(sequence) is not int or sequence != inside:
        return expected
    return max(sequence, expected - 1)


def _blamed(sequence: object, inside: object, expected: int) -> int:
    """Return the number to name for a bad row; the second row of a number is named by that number."""
    return expected - 1 if _is_repeated(sequence, expected) and sequence == inside else expected


def _is_repeated(sequence: object, expected: int) -> bool:
    return type(sequence) is int and sequence == expected - 1 and expected > 1


def _size(anchor: SignedCheckpoint | ChainHead) -> int:
    return anchor.sequence if isinstance(anchor, ChainHead) else anchor.checkpoint.size


def _label(signed: SignedCheckpoint) -> str:
    return f"the checkpoint of {signed.checkpoint.at.isoformat()}"
