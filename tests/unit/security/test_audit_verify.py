"""The verifier accepts an untouched log, finds every tampering, and names the first bad record."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scrollintel.security.audit_chain import ChainHead, SealedRecord
from scrollintel.security.audit_export import ExportError, ExportHeader, iter_export, parse_line
from scrollintel.security.audit_verify import verify_export, verify_export_file, verify_records
from scrollintel.security.chain_verifier import LIMIT, VerificationReport
from scrollintel.security.checkpoints import CheckpointFile, SignedCheckpoint, sign_checkpoint
from scrollintel.security.merkle import MerkleFrontier
from scrollintel.security.signing_keys import SigningKey
from tests.unit.security.audit_logs import LOG_ID, AuditLog, entry, make_log, write_log
from tests.unit.security.tampering import KINDS, Draft, Tampering, as_line, rehashed, tamper

KEY = SigningKey.generate()
LOG = make_log(70, every=16, key=KEY)
SEED = 20260131

TAMPERINGS = int(os.environ.get("SCROLLINTEL_TAMPERINGS", "500"))
"""Random tamperings of one run; `make tamper` makes 10,000."""


def verify(lines: list[str], log: AuditLog = LOG) -> VerificationReport:
    """Verify an export with everything that was kept elsewhere."""
    return verify_export(lines, checkpoints=log.checkpoints, keys=[log.key.verifying_key])


def forged_row(record: SealedRecord, **changes: object) -> SealedRecord:
    """Return a stored row whose text is changed and whose hash and fields fit the text."""
    body = json.loads(record.body) | changes
    fields = rehashed(body, {})
    return record._replace(hash=str(fields["hash"]), body=str(fields["body"]))


def assert_found(done: Tampering, report: VerificationReport) -> None:
    """Check that a tampering was found and the right record named."""
    assert not report.ok, done.kind
    assert report.problem, done.kind
    if done.lowest is not None and done.highest is not None:
        assert report.first_bad is not None, (done.kind, report.problems)
        assert done.lowest <= report.first_bad <= done.highest, (done.kind, done.lowest, done.highest, report.problems)


def test_export_untouched_is_accepted() -> None:
    """A whole export with its checkpoints verifies, and the report says how much was looked at."""
    report = verify(LOG.export())
    assert report.ok, report.problems
    assert (report.log_id, report.records, report.first_bad, report.problem) == (LOG_ID, 70, None, "")
    assert report.checkpoints == 2 * len(LOG.checkpoints) == 10
    assert report.head == LOG.head()
    assert report.notes == ()


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17])
def test_export_of_any_length_is_accepted(count: int) -> None:
    """Short and empty logs verify as well."""
    log = make_log(count)
    report = verify(log.export(), log)
    assert report.ok, report.problems
    assert report.records == count


@pytest.mark.parametrize(("first", "last"), [(1, 20), (17, 70), (18, 33), (70, 70), (30, 29)])
@pytest.mark.parametrize("frontier", [True, False])
def test_export_of_a_part_is_accepted(first: int, last: int, frontier: bool) -> None:
    """A part of the log verifies by itself, with and without the tree of what comes before."""
    report = verify_export(
        LOG.export(first, last, frontier=frontier),
        checkpoints=LOG.checkpoints,
        keys=[KEY.verifying_key],
        complete=False,
    )
    assert report.ok, report.problems
    assert report.records == last - first + 1


def test_export_file_with_a_checkpoint_file_is_accepted(tmp_path: Path) -> None:
    """The files that the product writes are those that the verifier reads."""
    path, file = tmp_path / "audit.jsonl", CheckpointFile(tmp_path / "checkpoints.jsonl")
    path.write_text("".join(LOG.export()), encoding="utf-8")
    for signed in LOG.checkpoints:
        file.append(signed)
    assert verify_export_file(path, checkpoints=file.read(), keys=[KEY.verifying_key]).ok
    broken = path.read_bytes().replace(b'"target":"orders-3"', b'"target":"orders-\xff"', 1)
    path.write_bytes(broken)
    assert verify_export_file(path, checkpoints=file.read(), keys=[KEY.verifying_key]).first_bad == 3


def test_export_written_with_other_spacing_is_accepted() -> None:
    """Spaces and line ends are no content."""
    lines = [json.dumps(json.loads(line)) if line.startswith('{"seq') else line.rstrip("\n") for line in LOG.export()]
    assert verify(lines).ok


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_verifier_finds_each_kind_of_tampering(kind: Callable[[Draft], Tampering]) -> None:
    """Each kind, tried on thirty places, is found, and the first bad record is named."""
    rng = random.Random(SEED)
    for _ in range(30):
        done = tamper(rng, LOG, kind)
        assert done.lines != LOG.export()
        assert_found(done, verify(done.lines))


def test_verifier_finds_random_tamperings() -> None:
    """Tamperings drawn at random over logs of several lengths are all found."""
    rng = random.Random(SEED)
    logs = [make_log(count, every=every, key=KEY) for count, every in ((40, 7), (33, 16), (64, 63), (21, 20))]
    for _ in range(TAMPERINGS):
        log = rng.choice(logs)
        done = tamper(rng, log)
        assert_found(done, verify(done.lines, log))


def test_verifier_cut_or_recomputed_end_shows_only_against_what_was_kept_elsewhere() -> None:
    """The chain alone cannot show a cut, and the report says so; a checkpoint or head from elsewhere shows it."""
    short = make_log(50, every=1000, key=KEY)
    cut = list(iter_export(LOG.header(1, 50), LOG.records[:50]))
    report = verify_export(cut, keys=[KEY.verifying_key])
    assert report.ok
    assert any("cut off" in note for note in report.notes)
    assert verify(cut).first_bad == 51
    assert "covers 70" in verify(cut).problem
    assert verify_export(cut, expected_head=LOG.head()).first_bad == 51
    assert verify_export(cut, expected_head=short.head()).ok


def test_verifier_expected_head_that_differs_is_found() -> None:
    """A head known from elsewhere is held against the record of its number, at the end and before it."""
    for number in (70, 33):
        report = verify_export(LOG.export(), expected_head=ChainHead(number, bytes(32)))
        assert report.first_bad is not None
        assert report.first_bad <= number
        assert "the expected head" in report.problem


def test_verifier_part_older_than_the_newest_checkpoint_is_accepted_when_said_so() -> None:
    """An export made before the newest checkpoint is not a cut log when the auditor says that it is a part."""
    part = LOG.export(1, 40)
    assert verify(part).first_bad == 41
    report = verify_export(part, checkpoints=LOG.checkpoints, keys=[KEY.verifying_key], complete=False)
    assert report.ok
    assert report.notes == (
        "checkpoints cover 70 records; those after 40 were not looked at",
        "no checkpoint covers the records after 32",
    )


def test_verifier_record_replaced_with_a_fitting_hash_is_named_and_not_its_follower() -> None:
    """The follower holds the true hash and is vouched for by its own follower, so the replaced record is named."""
    lines = LOG.export()
    draft = Draft(random.Random(SEED), LOG)
    fields = draft.fields(20)
    draft.put(20, rehashed(json.loads(str(fields["body"])) | {"reason": "x"}, fields))
    assert verify(draft.lines).first_bad == 20
    draft.lines = lines
    fields = draft.fields(20)
    draft.put(20, rehashed(json.loads(str(fields["body"])) | {"previous": "11" * 32}, fields))
    assert verify(draft.lines).first_bad == 20


def test_verifier_recomputed_chain_is_dated_by_the_checkpoints() -> None:
    """Records recomputed after the second checkpoint are named from there, with the span of the doubt."""
    entries = [entry(n) for n in range(1, 71)]
    entries[39] = replace(entries[39], reason="forged")
    forged = write_log(entries, every=1000, key=KEY)
    report = verify(list(iter_export(LOG.header(), forged.records)))
    assert report.first_bad == 33
    assert "records 33 to 48 are forged" in report.problem


# Each check of the verifier by itself: the tampering below passes every other check.


def test_verify_records_untouched_rows_are_accepted() -> None:
    """The server verifies its stored rows against checkpoints and the writer's head, from the start or from a head."""
    keys = [KEY.verifying_key]
    report = verify_records(
        LOG.records, log_id=LOG_ID, checkpoints=LOG.checkpoints, expected_head=LOG.head(), keys=keys
    )
    assert report.ok, report.problems
    assert report.checkpoints == len(LOG.checkpoints) + 1
    for frontier in (LOG.frontier(20), None):
        later = verify_records(
            LOG.records[20:],
            log_id=LOG_ID,
            start=LOG.head(20),
            frontier=frontier,
            checkpoints=LOG.checkpoints,
            keys=keys,
        )
        assert later.ok, later.problems


def check_rows(rows: list[SealedRecord], checkpoints: list[SignedCheckpoint] | None = None) -> VerificationReport:
    """Verify rows against nothing but themselves and `checkpoints`."""
    return verify_records(rows, log_id=LOG_ID, checkpoints=checkpoints or [], keys=[KEY.verifying_key])


def test_check_of_the_hash_stands_alone() -> None:
    """The last row with a changed hash: nothing follows it that could show the change."""
    rows = LOG.records[:5]
    rows[4] = rows[4]._replace(hash="00" * 32)
    assert "hash of record 5" in check_rows(rows).problem


def test_check_of_the_link_stands_alone() -> None:
    """A row that fits its own hash but names another predecessor."""
    rows = LOG.records[:5]
    rows[4] = forged_row(rows[4], previous="11" * 32)
    report = check_rows(rows)
    assert (report.first_bad, report.problem_count) == (5, 1)
    assert "not linked" in report.problem
    rows = [forged_row(LOG.records[0], previous="11" * 32)]
    assert check_rows(rows).first_bad == 1


def test_check_of_the_link_at_a_checkpoint_names_the_record_that_is_not_vouched_for() -> None:
    """A checkpoint that fits the head clears it, one that does not accuses it, and what it covers is beyond doubt."""
    rows = LOG.records[:16]
    rows[15] = forged_row(rows[15], previous="11" * 32)
    assert check_rows(rows, LOG.checkpoints[:1]).first_bad == 16
    rows = LOG.records[:16]
    rows[14] = forged_row(rows[14], reason="x")
    assert check_rows(rows, LOG.checkpoints[:1]).first_bad == 15
    rows = LOG.records[:18]
    rows[16] = forged_row(rows[16], previous="11" * 32)
    rows[17] = forged_row(rows[17], previous=rows[16].hash)
    assert check_rows(rows, LOG.checkpoints[:1]).first_bad == 17


def test_check_of_the_start_against_a_checkpoint_stands_alone() -> None:
    """The head before the first row is held against a checkpoint of its size, also when no row follows."""
    for start, is_good in ((LOG.head(16), True), (ChainHead(16, bytes(32)), False)):
        assert verify_records([], log_id=LOG_ID, start=start, checkpoints=LOG.checkpoints[:1]).ok is is_good


def test_check_of_the_root_of_a_whole_export_needs_no_tree_in_the_header() -> None:
    """An export from record 1 has its roots compared even when its header leaves the empty tree out."""
    lines = [LOG.header(frontier=False).to_json(), *LOG.export()[1:-1], _sign(root=bytes(32)).to_json()]
    assert "do not fit" in verify_export(lines, keys=[KEY.verifying_key]).problem


def test_report_without_a_tree_says_that_roots_were_not_compared() -> None:
    """A part without the tree of what comes before it is compared with the heads of checkpoints only."""
    report = verify(LOG.export(20, frontier=False))
    assert report.ok
    assert any("Merkle roots were not compared" in note for note in report.notes)


def test_check_of_the_number_stands_alone() -> None:
    """A chain that is linked throughout but leaves out a number."""
    rows = [LOG.records[0], forged_row(LOG.records[1], sequence=3)]
    rows[1] = rows[1]._replace(sequence=3)
    assert "where record 2 should stand" in check_rows(rows).problem
    assert check_rows(rows).first_bad == 2


def test_check_of_the_number_in_the_text_stands_alone() -> None:
    """A row whose number is right beside the text and wrong in it."""
    rows = [LOG.records[0], forged_row(LOG.records[1], sequence=3)]
    assert "another number" in check_rows(rows).problem


def test_check_of_the_number_beside_the_text_is_of_its_type() -> None:
    """True is not the number 1."""
    assert check_rows([LOG.records[0]._replace(sequence=True)]).first_bad == 1


def test_check_of_the_log_id_stands_alone() -> None:
    """A row of another log that fits in every other way."""
    rows = [LOG.records[0], forged_row(LOG.records[1], log="log_other")]
    assert "another log" in check_rows(rows).problem


@pytest.mark.parametrize("changes", [{"v": 2}, {"extra": 1}])
def test_check_of_the_form_stands_alone(changes: dict[str, object]) -> None:
    """A text of another version, or with a field that is not known."""
    assert "not of version 1" in check_rows([forged_row(LOG.records[0], **changes)]).problem


@pytest.mark.parametrize("name", ["action", "actor", "target_kind", "target", "service", "outcome", "request_id"])
def test_check_of_each_searched_field_stands_alone(name: str) -> None:
    """A row that is found under something else than what its text says."""
    report = check_rows([SealedRecord(**(LOG.records[0]._asdict() | {name: "other"}))])
    assert report.first_bad == 1
    assert f"field {name} of record 1" in report.problem


def test_check_of_the_time_stands_alone() -> None:
    """A row whose time is not that of its text, or no time at all."""
    late = LOG.records[0]._replace(at=LOG.records[1].at)
    assert "field at of record 1" in check_rows([late]).problem
    bare = LOG.records[0]._replace(at=LOG.records[0].at.replace(tzinfo=None))
    assert "not a time" in check_rows([bare, LOG.records[1]]).problem
    assert check_rows([bare, LOG.records[1]]).problem_count == 1


@pytest.mark.parametrize("body", ["", "[]", '"text"', "7", "{}", "é", "[" * 100_000, None])
def test_check_of_the_text_stands_alone(body: str) -> None:
    """A text that cannot be read is a bad record, never an error of the verifier."""
    rows = [LOG.records[0], LOG.records[1]._replace(body=body), LOG.records[2]]
    report = check_rows(rows)
    assert (report.first_bad, report.problem_count) == (2, 1)


def _sign(
    *, root: bytes | None = None, head: bytes | None = None, log_id: str = LOG_ID, key: SigningKey = KEY
) -> SignedCheckpoint:
    good = LOG.checkpoints[-1].checkpoint
    return sign_checkpoint(
        key, log_id=log_id, size=70, root=root or good.root, head_hash=head or good.head_hash, at=good.at
    )


@pytest.mark.parametrize(
    ("signed", "problem"),
    [
        (_sign(root=bytes(32)), "do not fit"),
        (_sign(head=bytes(32)), "do not fit"),
        (_sign(log_id="log_other"), "another log"),
        (_sign(key=SigningKey.generate()), "not trusted"),
        (replace(_sign(), signature=bytes(64)), "wrong signature"),
    ],
)
def test_check_of_each_part_of_a_checkpoint_stands_alone(signed: SignedCheckpoint, problem: str) -> None:
    """Root, head, log, key and signature are each held against the records and what is trusted."""
    assert problem in check_rows(LOG.records, [signed]).problem
    inside = [*LOG.export()[:-1], signed.to_json() + "\n"]
    assert problem in verify_export(inside, keys=[KEY.verifying_key]).problem


def test_check_of_the_root_of_an_export_that_begins_later_stands_alone() -> None:
    """A wrong tree in the header of a part shows at the next checkpoint."""
    header = LOG.header(20, 70)
    lines = list(iter_export(header, LOG.records[19:], LOG.checkpoints))
    assert verify(lines).ok
    fields = json.loads(lines[0])
    fields["frontier"][0] = "00" * 32
    assert not verify([as_line(fields), *lines[1:]]).ok


def test_check_of_the_record_before_a_part_stands_alone() -> None:
    """A part that claims another predecessor is not linked to it; a checkpoint at that place names the lie as well."""
    lines = LOG.export(20)
    fields = json.loads(lines[0]) | {"previous": "11" * 32}
    assert verify([as_line(fields), *lines[1:]]).first_bad == 20
    lines = LOG.export(17)
    assert lines[1].startswith('{"checkpoint"')
    fields = json.loads(lines[0]) | {"previous": "11" * 32}
    assert not verify([as_line(fields), *lines[1:]]).ok


def test_check_of_the_header_key_stands_alone() -> None:
    """A key in the header that the auditor does not trust is a problem even when it signed nothing."""
    keys = (KEY.verifying_key, SigningKey.generate().verifying_key)
    lines = list(iter_export(replace(LOG.header(), public_keys=keys), LOG.records, LOG.checkpoints))
    assert "not trusted" in verify(lines).problem


def test_check_that_kept_checkpoints_are_of_this_log_stands_alone() -> None:
    """A log that has been given another id escapes no checkpoint that was kept."""
    other = write_log([entry(n) for n in range(1, 71)], every=16, key=KEY, log_id="log_other")
    assert "none of the checkpoints" in verify(other.export()).problem


def test_check_of_the_last_number_in_the_header_stands_alone() -> None:
    """Records that are missing from, or added to, what the header says."""
    for last in (69, 71):
        lines = list(iter_export(LOG.header(), LOG.records))
        lines[0] = as_line(json.loads(lines[0]) | {"last": last})
        report = verify_export(lines)
        assert report.first_bad == min(last, 70) + 1
        assert f"header says {last}" in report.problem


def test_check_of_a_misplaced_checkpoint_stands_alone() -> None:
    """A signed checkpoint over more records than stand before it shows that some are missing."""
    lines = LOG.export()
    report = verify_export([json.dumps(json.loads(lines[0]) | {"last": 0}), lines[-1]], keys=[KEY.verifying_key])
    assert report.first_bad == 1
    assert "stands behind record 0" in report.problem


def test_report_lists_the_first_problems_and_counts_all() -> None:
    """A log that is bad throughout yields a short report, and the first bad record is not lost behind others."""
    rows = [row._replace(actor="other") for row in LOG.records]
    report = check_rows(rows)
    assert (len(report.problems), report.problem_count, report.first_bad) == (LIMIT, 70, 1)
    strangers = [_sign(key=SigningKey.generate())] * (LIMIT + 1)
    assert check_rows(rows, strangers).first_bad == 1


def test_report_damage_in_two_places_names_both_once() -> None:
    """Damage is not repeated at each later record."""
    rows = list(LOG.records)
    for number in (10, 40):
        rows[number - 1] = rows[number - 1]._replace(outcome="other")
    assert [problem.sequence for problem in check_rows(rows).problems] == [10, 40]
    rows[44] = forged_row(rows[44], previous="11" * 32)
    del rows[49:52]
    assert [problem.sequence for problem in check_rows(rows).problems] == [10, 40, 45, 50]


def test_report_of_one_forgery_does_not_repeat_it_at_each_checkpoint() -> None:
    """Once a record is known to be bad, later checkpoints cannot fit and say nothing new."""
    rows = list(LOG.records)
    rows[19] = rows[19]._replace(outcome="other")
    assert check_rows(rows, LOG.checkpoints).problem_count == 1
    rows[19] = forged_row(LOG.records[19], reason="x")
    assert check_rows(rows, LOG.checkpoints).problem_count == 1
    entries = [entry(n) for n in range(1, 71)]
    entries[0] = replace(entries[0], reason="forged")
    assert check_rows(write_log(entries, every=16, key=KEY).records, LOG.checkpoints).problem_count == 1


def test_report_without_a_trusted_key_says_so() -> None:
    """Whoever recomputes everything also signs it: without a key from elsewhere the report says what it cannot know."""
    forged = make_log(20, key=SigningKey.generate())
    report = verify_export(forged.export())
    assert report.ok
    assert any("no trusted public key" in note for note in report.notes)


@pytest.mark.parametrize("numbers", [{"first": 0}, {"first": 3, "last": 1}, {"log_id": ""}, {"previous": b"x"}])
def test_header_that_no_export_has_is_refused(numbers: dict[str, object]) -> None:
    """A header is checked when it is made."""
    fields: dict[str, object] = {"log_id": "log_1", "first": 1, "last": 2}
    with pytest.raises(ValueError, match="export"):
        ExportHeader(**(fields | numbers))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="before record 1"):
        ExportHeader(log_id="log_1", first=1, last=1, previous=b"x" * 32)
    with pytest.raises(ValueError, match="frontier"):
        ExportHeader(log_id="log_1", first=2, last=2, frontier=MerkleFrontier())


@pytest.mark.parametrize(
    "line",
    ["", "[]", "[1,2,3,4,5,6,7,8,9,10,11]", '["ab","ab","ab","ab","ab","ab","ab","ab","ab","ab","ab"]', "1" * 5000],
)
def test_line_that_is_no_record_is_refused(line: str) -> None:
    """Anything else than a record or a checkpoint is an error of its own."""
    with pytest.raises(ExportError):
        parse_line(line)


def test_line_with_its_fields_in_another_order_or_twice_is_refused() -> None:
    """What one reader sees is what every reader sees."""
    line = LOG.export()[1]
    fields = json.loads(line)
    backwards = dict(reversed(fields.items()))
    for changed in (as_line(backwards), as_line(fields | {"extra": 1}), line.replace("{", '{"hash":"",', 1)):
        with pytest.raises(ExportError):
            parse_line(changed)


def test_header_with_a_field_too_many_or_twice_is_refused() -> None:
    """A header is what this version writes, and each of its fields has one value."""
    line = LOG.header().to_json()
    assert ExportHeader.from_json(line).last == 70
    fields = json.loads(line)
    for changed in (as_line(fields | {"extra": 1}), line.replace("{", '{"log_id":"log_other",', 1)):
        with pytest.raises(ExportError):
            ExportHeader.from_json(changed)
    with pytest.raises(ExportError, match="not a text"):
        ExportHeader.from_json(as_line(fields | {"log_id": 5}))


def test_verifier_imports_nothing_of_the_server() -> None:
    """An auditor needs neither the server's packages nor its code to verify an export."""
    program = (
        "import sys; import scrollintel.security.audit_verify; "
        "print(*sorted(n for n in sys.modules if n.startswith('scrollintel.') and '.core' not in n)); "
        "print(*sorted({n.split('.')[0] for n in sys.modules} & {'sqlalchemy', 'fastapi', 'pydantic', 'joserfc'}))"
    )
    root = Path(__file__).resolve().parents[3]
    shown = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    ).stdout
    names = ["audit_chain", "audit_export", "audit_verify", "chain_verifier", "checkpoints", "merkle", "signing_keys"]
    expected = ["scrollintel.security", *(f"scrollintel.security.{name}" for name in names)]
    assert shown.split("\n") == [" ".join(expected), "", ""]
