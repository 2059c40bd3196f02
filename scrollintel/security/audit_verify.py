"""Verify the audit log: online from stored rows, or offline from an export, with nothing of the server imported.

What a chain cannot show by itself (records cut off at the end, a chain recomputed as a whole) shows against checkpoints
that were kept elsewhere, so give them whenever there are any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from .audit_chain import START, ChainHead, SealedRecord
from .audit_export import ExportError, ExportHeader, ExportRow, parse_line
from .chain_verifier import Problem, VerificationReport, Verifier
from .checkpoints import SignedCheckpoint
from .merkle import MerkleFrontier
from .signing_keys import VerifyingKey


def verify_records(
    rows: Iterable[SealedRecord],
    *,
    log_id: str,
    start: ChainHead = START,
    frontier: MerkleFrontier | None = None,
    checkpoints: Iterable[SignedCheckpoint] = (),
    expected_head: ChainHead | None = None,
    keys: Iterable[VerifyingKey] = (),
) -> VerificationReport:
    """Verify stored rows, in the order of their numbers, against everything the server knows about them.

    Arguments:
        rows: The rows; all of them are read.
        log_id: Id of the log.
        start: The head before the first row.
        frontier: The Merkle tree up to there; may be left out when the rows begin with record 1.
        checkpoints: Checkpoints of this log that the rows must reach and fit; older ones than `start` are left out.
        expected_head: The head that the rows must reach, such as the one the writer holds.
        keys: Public keys that are trusted; empty: signatures are not checked.
    """
    if frontier is None and start == START:
        frontier = MerkleFrontier()
    anchors: list[SignedCheckpoint | ChainHead] = [c for c in checkpoints if c.checkpoint.size >= start.sequence]
    if expected_head is not None:
        anchors.append(expected_head)
    verifier = Verifier(log_id, start=start, frontier=frontier, anchors=anchors, keys=keys)
    for record in rows:
        try:
            row = ExportRow.of(record)
        except (ValueError, AttributeError, TypeError):
            verifier.unreadable(f"the time of record {record.sequence} is not a time in UTC")
            continue
        verifier.row(row)
    return verifier.report(complete=True)


def verify_export(
    lines: Iterable[str],
    *,
    checkpoints: Sequence[SignedCheckpoint] | None = None,
    keys: Sequence[VerifyingKey] = (),
    expected_head: ChainHead | None = None,
    complete: bool = True,
) -> VerificationReport:
    """Verify an export in one pass; the memory needed does not grow with it.

    Arguments:
        lines: The lines of the export, with or without line ends.
        checkpoints: Checkpoints that were kept elsewhere, such as those of a `CheckpointFile`; None: there are none.
        keys: Public keys that are trusted. Empty: those that the export names, which shows damage but not a forger.
        expected_head: A head of the log known from elsewhere.
        complete: Whether the export should hold all that `checkpoints` and `expected_head` cover. False for an export
            of a part, or one that is older than the newest checkpoint.
    """
    source = iter(lines)
    try:
        header = ExportHeader.from_json(next(source, ""))
    except ExportError as error:
        return _refusal(str(error))
    frontier = header.frontier
    if frontier is None and header.first == 1:
        frontier = MerkleFrontier()
    anchors: list[SignedCheckpoint | ChainHead] = [
        signed
        for signed in checkpoints or ()
        if signed.checkpoint.log_id == header.log_id and signed.checkpoint.size >= header.first - 1
    ]
    if expected_head is not None:
        anchors.append(expected_head)
    trusted = keys or header.public_keys
    verifier = Verifier(header.log_id, start=header.head(), frontier=frontier, anchors=anchors, keys=trusted)
    _judge_trust(verifier, header, checkpoints, keys)
    for line in source:
        try:
            item = parse_line(line.removesuffix("\n"))
        except ExportError as error:
            verifier.unreadable(f"behind record {verifier.head.sequence}: {error}")
            continue
        if isinstance(item, ExportRow):
            verifier.row(item)
        else:
            verifier.checkpoint(item)
    if verifier.head.sequence != header.last:
        last = verifier.head.sequence
        verifier.fault(min(last, header.last) + 1, f"the records end at {last}, but the header says {header.last}")
    return verifier.report(complete=complete)


def verify_export_file(
    path: Path,
    *,
    checkpoints: Sequence[SignedCheckpoint] | None = None,
    keys: Sequence[VerifyingKey] = (),
    expected_head: ChainHead | None = None,
    complete: bool = True,
) -> VerificationReport:
    """Verify the export in a file; the arguments are those of `verify_export`.

    Raises:
        OSError: when the file cannot be read.
    """
    # Bytes that are no UTF-8 stay what they are: a wrong character in a record, named like any other.
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        return verify_export(lines, checkpoints=checkpoints, keys=keys, expected_head=expected_head, complete=complete)


def _judge_trust(
    verifier: Verifier,
    header: ExportHeader,
    checkpoints: Sequence[SignedCheckpoint] | None,
    keys: Sequence[VerifyingKey],
) -> None:
    if checkpoints and all(signed.checkpoint.log_id != header.log_id for signed in checkpoints):
        verifier.fault(None, "none of the checkpoints kept elsewhere belongs to the log of this export")
    trusted = {key.key_id for key in keys}
    if keys and any(key.key_id not in trusted for key in header.public_keys):
        verifier.fault(None, "the header names a public key that is not trusted")
    if not keys:
        verifier.note("no trusted public key was given: who signed the checkpoints is not known")


def _refusal(problem: str) -> VerificationReport:
    return VerificationReport(
        ok=False,
        log_id="",
        records=0,
        checkpoints=0,
        head=START,
        first_bad=None,
        problem=problem,
        problems=(Problem(None, problem),),
        problem_count=1,
        notes=(),
    )
