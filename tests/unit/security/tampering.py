"""Every way of tampering with an audit export that we know of, each drawn at random.

A `Tampering` says which record a verifier has to name, given the checkpoints and the key that were kept elsewhere.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from scrollintel.security.audit_chain import INDEX_COLUMNS, AuditEntry, canonical_json, digest
from scrollintel.security.signing_keys import SigningKey
from tests.unit.security.audit_logs import AuditLog, entry, write_log

Fields = dict[str, object]


@dataclass(frozen=True)
class Tampering:
    """A changed export: what was done, its lines, and the lowest and highest number that may be named first.

    Both are None when no record was touched, only a header or a checkpoint.
    """

    kind: str
    lines: list[str]
    lowest: int | None
    highest: int | None


class Draft:
    """The lines of an export as they are being changed; record n of a whole export is found by its number."""

    def __init__(self, rng: random.Random, log: AuditLog) -> None:
        self.rng = rng
        self.log = log
        self.lines = log.export()
        self.count = len(log.records)
        self.victim = rng.choice([1, self.count, *(rng.randint(1, self.count) for _ in range(6))])

    def position(self, number: int) -> int:
        """Return where the line of record `number` stands."""
        return next(i for i, line in enumerate(self.lines) if line.startswith(f'{{"sequence":{number},'))

    def fields(self, number: int) -> Fields:
        """Return the fields of the line of record `number`."""
        return dict(json.loads(self.lines[self.position(number)]))

    def put(self, number: int, fields: Fields) -> None:
        """Replace the line of record `number`."""
        self.lines[self.position(number)] = as_line(fields)

    def vouched(self, number: int) -> int:
        """Return the last record before `number` that a checkpoint covers."""
        return max((c.checkpoint.size for c in self.log.checkpoints if c.checkpoint.size < number), default=0)

    def checkpoint_positions(self) -> list[int]:
        """Return where the lines of checkpoints stand."""
        return [i for i, line in enumerate(self.lines) if line.startswith('{"checkpoint"')]

    def done(self, kind: str, lowest: int | None, highest: int | None = None) -> Tampering:
        """Return the result; one number means exactly that record."""
        return Tampering(kind, self.lines, lowest, lowest if highest is None else highest)


def as_line(fields: Fields) -> str:
    """Return fields as the line of an export."""
    return json.dumps(fields, separators=(",", ":")) + "\n"


def another(rng: random.Random, value: object) -> object:
    """Return a value that differs from `value` and could stand in its place."""
    candidates = ["allowed", "refused", "x", "", None, 0, True, "2026-01-31T09:30:00.000001Z", f"{value}x", [value]]
    return rng.choice([item for item in candidates if item != value or type(item) is not type(value)])


def rehashed(body: Fields, line: Fields) -> Fields:
    """Return `line` with the changed text `body`, its hash and its searchable fields made to fit."""
    text = canonical_json(body)
    columns = {name: body[name] for name in ("sequence", *INDEX_COLUMNS)}
    return line | columns | {"body": text, "hash": digest(text.encode()).hex()}


def edit_character(draft: Draft) -> Tampering:
    """Change one character of a record's text."""
    fields = draft.fields(draft.victim)
    text = str(fields["body"])
    at = draft.rng.randrange(len(text))
    fields["body"] = text[:at] + draft.rng.choice([c for c in '0aZ}" é' if c != text[at]]) + text[at + 1 :]
    draft.put(draft.victim, fields)
    return draft.done("edit a character of the text", draft.victim)


def edit_hash(draft: Draft) -> Tampering:
    """Change the hash of a record."""
    fields = draft.fields(draft.victim)
    text = str(fields["hash"])
    at = draft.rng.randrange(len(text))
    digit = draft.rng.choice([c for c in "0123456789abcdef" if c != text[at]])
    fields["hash"] = draft.rng.choice([text[:at] + digit + text[at + 1 :], text.upper() + "x", text[:-1], None])
    draft.put(draft.victim, fields)
    return draft.done("edit the hash", draft.victim)


def edit_column(draft: Draft) -> Tampering:
    """Change a searchable field beside the text."""
    fields = draft.fields(draft.victim)
    name = draft.rng.choice(INDEX_COLUMNS)
    fields[name] = another(draft.rng, fields[name])
    draft.put(draft.victim, fields)
    return draft.done(f"edit the field {name}", draft.victim)


def edit_number(draft: Draft) -> Tampering:
    """Change the number beside the text, or its type."""
    fields = draft.fields(draft.victim)
    number = draft.victim
    values = [number + 1, number + 7, number - 1, float(number), str(number), None, True, 0, -1]
    fields["sequence"] = draft.rng.choice(values)
    draft.put(number, fields)
    return draft.done("edit the number", number)


def edit_and_rehash(draft: Draft) -> Tampering:
    """Change a field in the text and beside it, and make the hash fit."""
    fields = draft.fields(draft.victim)
    body = json.loads(str(fields["body"]))
    name = draft.rng.choice([*INDEX_COLUMNS, "reason", "after", "before", "personal", "count", "previous"])
    body[name] = another(draft.rng, body[name]) if name != "previous" else digest(b"other").hex()
    draft.put(draft.victim, rehashed(body, fields))
    # The last record of a checkpointed span cannot be told from a span that was rewritten to its end.
    certain = draft.victim not in {c.checkpoint.size for c in draft.log.checkpoints} or name == "previous"
    lowest = draft.victim if certain else draft.vouched(draft.victim) + 1
    return draft.done(f"edit {name} and rehash", lowest, draft.victim)


def remove(draft: Draft) -> Tampering:
    """Take one record out."""
    del draft.lines[draft.position(draft.victim)]
    return draft.done("remove a record", draft.victim)


def remove_run(draft: Draft) -> Tampering:
    """Take several records out, with the checkpoints between them."""
    last = min(draft.count, draft.victim + draft.rng.randint(1, 20))
    del draft.lines[draft.position(draft.victim) : draft.position(last) + 1]
    return draft.done("remove a run", draft.victim)


def insert_forged(draft: Draft) -> Tampering:
    """Put in a record that is linked to the one before, in front of the record of the same number."""
    at = draft.position(draft.victim)
    fields = draft.fields(draft.victim)
    body = json.loads(str(fields["body"])) | {"reason": "inserted"}
    draft.lines.insert(at, as_line(rehashed(body, fields)))
    # The true record that follows is the second of its number; where a checkpoint covers it, the forgery shows first.
    covered = draft.victim in {c.checkpoint.size for c in draft.log.checkpoints}
    return draft.done(
        "insert a forged record", draft.vouched(draft.victim) + 1 if covered else draft.victim, draft.victim
    )


def insert_copy(draft: Draft) -> Tampering:
    """Put a copy of a record somewhere else."""
    other = draft.rng.randint(1, draft.count)
    line, at = draft.lines[draft.position(other)], draft.position(draft.victim)
    draft.lines.insert(at + 1, line)  # right behind the victim
    # A record that stands twice in a row is named by its number.
    return draft.done("insert a copy", draft.victim if other == draft.victim else draft.victim + 1)


def duplicate(draft: Draft) -> Tampering:
    """Repeat a line."""
    at = draft.position(draft.victim)
    draft.lines.insert(at, draft.lines[at])
    return draft.done("duplicate a record", draft.victim)


def swap(draft: Draft) -> Tampering:
    """Exchange two records, with or without their numbers."""
    first, second = sorted(draft.rng.sample(range(1, draft.count + 1), 2))
    one, two = draft.position(first), draft.position(second)
    draft.lines[one], draft.lines[two] = draft.lines[two], draft.lines[one]
    if draft.rng.random() < 0.5:
        low, high = json.loads(draft.lines[one]), json.loads(draft.lines[two])
        draft.lines[one] = as_line(low | {"sequence": first})
        draft.lines[two] = as_line(high | {"sequence": second})
    return draft.done("swap two records", first)


def truncate(draft: Draft) -> Tampering:
    """Cut off the end; sometimes the header is made to fit."""
    del draft.lines[draft.position(draft.victim) :]
    if draft.rng.random() < 0.7:
        draft.lines[0] = as_line(json.loads(draft.lines[0]) | {"last": draft.victim - 1})
    return draft.done("cut off the end", draft.victim)


def tear(draft: Draft) -> Tampering:
    """Cut off the end in the middle of a line."""
    at = draft.position(draft.victim)
    line = draft.lines[at]
    draft.lines[at:] = [line[: draft.rng.randrange(1, len(line) - 1)]]
    return draft.done("tear a line", draft.victim)


def garble(draft: Draft) -> Tampering:
    """Put something else in the place of a record, or in front of it."""
    at = draft.position(draft.victim)
    junk = ["\n", "{}\n", "[]\n", "null\n", "\udcff\n", "[" * 5000 + "\n", draft.lines[at].replace('"', "'"), "1\n"]
    chosen = draft.rng.choice(junk)
    if draft.rng.random() < 0.5:
        draft.lines[at] = chosen
    else:
        draft.lines.insert(at, chosen)
    return draft.done("put in something else", draft.victim)


def name_twice(draft: Draft) -> Tampering:
    """Name a field twice in a line, so that two readers see two values."""
    at = draft.position(draft.victim)
    name = draft.rng.choice(["outcome", "actor", "hash", "body"])
    draft.lines[at] = f'{{"{name}":"shown by another reader",' + draft.lines[at][1:]
    return draft.done("name a field twice", draft.victim)


def _forge(draft: Draft, since: int, key: SigningKey) -> AuditLog:
    """Return the log as an attacker recomputes it with another record `since`."""
    entries: list[AuditEntry] = [entry(n) for n in range(1, draft.count + 1)]
    entries[since - 1] = replace(entries[since - 1], reason="forged")
    if draft.rng.random() < 0.3 and draft.count > since:
        del entries[since]
    return write_log(entries, every=draft.rng.choice([5, 16, 1000]), key=key, log_id=draft.log.log_id)


def _latest(draft: Draft, forged: AuditLog, since: int) -> int:
    """Return the highest number that may be named: where no checkpoint covers a forged record, only the cut shows."""
    count = len(forged.records)
    return since if any(since <= c.checkpoint.size <= count for c in draft.log.checkpoints) else count + 1


def forge_suffix(draft: Draft) -> Tampering:
    """Recompute the chain from one record to its end, keeping the checkpoints before it."""
    since = draft.victim
    forged = _forge(draft, since, SigningKey.generate())
    kept = [c for c in draft.log.checkpoints if c.checkpoint.size < since]
    draft.lines = AuditLog(draft.log.key, forged.records, kept, draft.log.log_id).export()
    return draft.done("recompute to the end", draft.vouched(since) + 1, _latest(draft, forged, since))


def forge_all(draft: Draft) -> Tampering:
    """Recompute the whole log, sign it with a key of one's own and name that key in the header."""
    forged = _forge(draft, draft.victim, SigningKey.generate())
    draft.lines = forged.export()
    return draft.done("recompute and sign anew", draft.vouched(draft.victim) + 1, _latest(draft, forged, draft.victim))


def replant(draft: Draft) -> Tampering:
    """Give the whole log another id and recompute it."""
    entries = [entry(n) for n in range(1, draft.count + 1)]
    draft.lines = write_log(entries, every=16, key=SigningKey.generate(), log_id="log_other").export()
    return draft.done("give the log another id", None)


def edit_header(draft: Draft) -> Tampering:
    """Change a field of the header."""
    header = json.loads(draft.lines[0])
    name = draft.rng.choice(["format", "version", "previous", "frontier", "public_keys"])
    header[name] = {
        "format": "other",
        "version": draft.rng.choice([2, True, 1.0, "1", None]),
        "previous": draft.rng.choice(["11" * 32, "", None, 5]),
        "frontier": draft.rng.choice([["00" * 32], 5, "x"]),
        "public_keys": draft.rng.choice([[SigningKey.generate().verifying_key.to_pem()], ["x"], 5, [5]]),
    }[name]
    draft.lines[0] = as_line(header)
    return draft.done(f"edit the header's {name}", None)


def edit_header_log(draft: Draft) -> Tampering:
    """Change the id of the log, or the numbers, in the header only."""
    header = json.loads(draft.lines[0])
    if draft.rng.random() < 0.5:
        header["log_id"] = "log_other"
        draft.lines[0] = as_line(header)
        return draft.done("edit the header's log id", 1)
    header["last"] += draft.rng.choice([-3, -1, 1, 5])
    draft.lines[0] = as_line(header)
    return draft.done("edit the header's last number", min(header["last"], draft.count) + 1)


def remove_header(draft: Draft) -> Tampering:
    """Take the header away."""
    del draft.lines[0]
    return draft.done("remove the header", None)


def edit_checkpoint(draft: Draft) -> Tampering:
    """Change a field of a checkpoint in the export."""
    at = draft.rng.choice(draft.checkpoint_positions())
    document = json.loads(draft.lines[at])
    fields = document["checkpoint"]
    name = draft.rng.choice(["root", "head_hash", "at", "key_id", "signature", "size", "log_id"])
    fields[name] = {
        "root": "11" * 32,
        "head_hash": "11" * 32,
        "at": "2026-01-31T09:30:00.000001Z",
        "key_id": SigningKey.generate().key_id,
        "signature": "A" * 86 + "==",
        "size": fields["size"] + 1,
        "log_id": "log_other",
    }[name]
    draft.lines[at] = as_line(document)
    return draft.done(f"edit the {name} of a checkpoint", None)


def move_checkpoint(draft: Draft) -> Tampering:
    """Move a checkpoint to the end, where it covers less than stands before it."""
    positions = draft.checkpoint_positions()[:-1]
    draft.lines.append(draft.lines.pop(draft.rng.choice(positions)))
    return draft.done("move a checkpoint", None)


KINDS: tuple[Callable[[Draft], Tampering], ...] = (
    edit_character,
    edit_hash,
    edit_column,
    edit_number,
    edit_and_rehash,
    remove,
    remove_run,
    insert_forged,
    insert_copy,
    duplicate,
    swap,
    truncate,
    tear,
    garble,
    name_twice,
    forge_suffix,
    forge_all,
    replant,
    edit_header,
    edit_header_log,
    remove_header,
    edit_checkpoint,
    move_checkpoint,
)


def tamper(rng: random.Random, log: AuditLog, kind: Callable[[Draft], Tampering] | None = None) -> Tampering:
    """Return an export of `log` with one change of a random kind, or of `kind`."""
    chosen = kind or rng.choice(KINDS)
    return chosen(Draft(rng, log))
