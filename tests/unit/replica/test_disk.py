"""What outlives a process: the desired state of its service, and the circuits that this very process had open."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from scrollintel import CircuitState
from scrollintel.replica.apply import REMEMBERED
from scrollintel.replica.disk import Copy, cache_directory
from scrollintel.replica.kept import LEFT_BEHIND
from scrollintel.replica.protocol import MAX_BODY
from scrollintel.replica.slots import MAX_SLOTS, Slot

from .rig import Process, wanted


def files(directory: Path, ending: str) -> list[Path]:
    """Return the files with that ending, such as ".json"."""
    return sorted(path for path in directory.iterdir() if path.name.endswith(ending))


def test_copy_of_two_live_processes_keeps_the_open_circuits_of_both(tmp_path: Path) -> None:
    """Each living process writes into a place of its own, and its successor gets back what it had open."""
    first, second = Process(tmp_path), Process(tmp_path)
    first.circuit("a").restore_open(30.0, "down")
    second.circuit("b").restore_open(30.0, "slow")
    assert first.save()
    assert second.save()
    assert first.save()
    first.end()
    second.end()
    restarted, other = Process(tmp_path), Process(tmp_path)
    assert restarted.circuit("a").state is CircuitState.OPEN
    assert restarted.circuit("b").state is CircuitState.CLOSED
    assert other.circuit("b").state is CircuitState.OPEN
    assert other.circuit("a").state is CircuitState.CLOSED
    restarted.end()
    other.end()


def test_copy_of_a_restarted_process_takes_the_place_of_the_one_that_ended(tmp_path: Path) -> None:
    """While another process lives on, the first free place is that of the one which ended."""
    first, second = Process(tmp_path), Process(tmp_path)
    second.circuit("b").restore_open(30.0, "slow")
    second.save()
    second.end()
    restarted = Process(tmp_path)
    assert restarted.circuit("b").state is CircuitState.OPEN
    first.end()
    restarted.end()


def test_copy_of_a_half_open_circuit_begins_with_a_probe_after_a_restart(tmp_path: Path) -> None:
    """A half-open circuit comes back with no time left: the next call is a probe, not full traffic."""
    process = Process(tmp_path)
    circuit = process.circuit("a")
    circuit.restore_open(0.0, "down")
    assert circuit.state is CircuitState.HALF_OPEN
    process.save()
    process.end()
    restarted = Process(tmp_path)
    assert restarted.circuit("a").state is CircuitState.HALF_OPEN
    restarted.end()


def test_copy_of_an_open_circuit_whose_code_has_not_run_yet_is_kept_over_two_restarts(tmp_path: Path) -> None:
    """What waits for its circuit is written again; its reason does not grow."""
    process = Process(tmp_path)
    process.circuit("a").restore_open(30.0, "down", 3)
    process.save()
    process.end()
    between = Process(tmp_path)
    assert between.save()
    between.end()
    last = Process(tmp_path)
    circuit = last.circuit("a")
    assert circuit.snapshot().reason == "restored after a restart: down"
    assert circuit.snapshot().openings == 3
    last.save()
    last.end()
    again = Process(tmp_path)
    assert again.circuit("a").snapshot().reason == "restored after a restart: down"
    again.end()


def test_copy_of_the_desired_state_is_shared_by_all_processes(tmp_path: Path) -> None:
    """Policies, orders and levels are those of the service, whichever process wrote them last."""
    first, second = Process(tmp_path), Process(tmp_path)
    first.replica.apply_desired(wanted())
    assert first.save()
    third = Process(tmp_path)
    assert second.desired is None
    assert third.desired is not None
    assert third.replica.policies.keys() == {"shop"}
    assert third.replica.applied() == {"policies": {"shop": 7}}
    assert third.desired.orders == wanted().orders
    assert 59.0 < (third.desired.levels["search"].expires_in or 0.0) <= 60.0
    for process in (first, second, third):
        process.end()


def test_copy_of_a_level_that_has_expired_is_not_restored(tmp_path: Path) -> None:
    """A level whose time has passed while no process ran is over."""
    process = Process(tmp_path)
    process.replica.apply_desired(wanted())
    process.save()
    process.end()
    (path,) = [path for path in files(tmp_path, ".json") if not path.name.endswith(".0.json")]
    content = json.loads(path.read_text())
    content["levels"]["search"]["until"] = time.time() - 1.0
    path.write_text(json.dumps(content))
    restarted = Process(tmp_path)
    assert restarted.desired is not None
    assert restarted.desired.levels == {}
    restarted.end()


def test_copy_of_an_open_period_long_over_is_forgotten(tmp_path: Path) -> None:
    """A circuit that was open long ago starts closed, and its entry leaves the file."""
    process = Process(tmp_path)
    process.circuit("a").restore_open(30.0, "down")
    process.save()
    process.end()
    (path,) = files(tmp_path, ".0.json")
    content = json.loads(path.read_text())
    content["open"][0][2] = time.time() - REMEMBERED - 1.0
    path.write_text(json.dumps(content))
    restarted = Process(tmp_path)
    assert restarted.circuit("a").state is CircuitState.CLOSED
    restarted.save()
    assert json.loads(path.read_text())["open"] == []
    restarted.end()


@pytest.mark.parametrize(
    "damage",
    [
        b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"format": 99}', b'{"format": 1}', b'{"format": 1, "open": 3}',
        b'{"format": 1, "open": [1, [], ["a"], ["a", null, "x", "r", 1], [1, null, 9e9, "r", 1]]}',
        b'{"format": 1, "open": [["a", null, NaN, "r", 1]]}', b'{"format": 1, "open": [["a", null, 1e999, "r", 1]]}',
        b'{"format": 1, "open": [["a", null, 9e9, "r", true]]}', b'{"format": 1, "open": [["a", {}, 9e9, "r", 1]]}',
        b'{"format": 1, "policies": [], "orders": [], "levels": []}',
        b'{"format": 1, "policies": {"a": 1}, "orders": {}, "levels": {}}',
        b'{"format": 1, "policies": {}, "orders": {}, "levels": {"a": {"until": "soon"}}}',
        b"[" * 100_000, b'{"format": 1, "open": ' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"format": 1, "open": [], "more": "' + b"x" * MAX_BODY + b'"}',
    ],
)  # fmt: skip
def test_copy_that_is_damaged_or_too_large_is_as_good_as_absent(tmp_path: Path, damage: bytes) -> None:
    """Whatever is in the files, loading gives nothing, and the next save puts them right."""
    process = Process(tmp_path)
    process.replica.apply_desired(wanted())
    process.save()
    process.end()
    for path in files(tmp_path, ".json"):
        path.write_bytes(damage)
    restarted = Process(tmp_path)
    assert restarted.replica.policies == {}
    assert restarted.circuit("a").state is CircuitState.CLOSED
    restarted.replica.apply_desired(wanted())
    assert restarted.save()
    restarted.end()
    assert Process(tmp_path).desired is not None


def test_copy_restores_a_circuit_with_an_absurd_number_of_openings(tmp_path: Path) -> None:
    """A number that no process wrote bounds nothing but its own circuit."""
    process = Process(tmp_path)
    process.circuit("a").restore_open(30.0, "down")
    process.save()
    process.end()
    (path,) = files(tmp_path, ".0.json")
    path.write_text(json.dumps({"format": 1, "open": [["a", None, time.time() + 1e12, "down", 10**30]]}))
    restarted = Process(tmp_path)
    wait = restarted.circuit("a", open_backoff=2.0).snapshot().retry_after
    assert wait is not None
    assert wait < 1e6
    restarted.end()


def test_copy_in_place_of_files_finds_directories_and_pipes_and_goes_on(tmp_path: Path) -> None:
    """A directory or a pipe under the name of a file neither raises nor waits."""
    process = Process(tmp_path)
    process.save()
    process.end()
    shared, own = sorted(files(tmp_path, ".json"), key=lambda path: len(path.name))
    shared.unlink()
    own.unlink()
    os.mkfifo(shared)
    own.mkdir()
    restarted = Process(tmp_path)
    restarted.circuit("a").restore_open(30.0, "down")
    assert not restarted.save()
    restarted.end()


def test_copy_belongs_to_its_owner_alone_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    """Files have mode 0600 in a directory of mode 0700; what a killed writer left behind goes after a while."""
    directory = tmp_path / "cache"
    process = Process(directory)
    process.save()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    names = {path.name for path in directory.iterdir()}
    old, fresh = (directory / f".{files(directory, '.0.json')[0].name}.{name}" for name in ("old", "fresh"))
    for path in (old, fresh):
        path.write_text("half")
    os.utime(old, (0, time.time() - LEFT_BEHIND - 1.0))
    process.end()
    Process(directory).end()
    assert {path.name for path in directory.iterdir()} == {*names, fresh.name}


def test_copy_that_is_unchanged_is_not_written_again(tmp_path: Path) -> None:
    """Saving the same twice leaves the files alone."""
    process = Process(tmp_path)
    process.circuit("a").restore_open(30.0, "down")
    process.save()
    before = [(path.name, path.stat().st_ino) for path in files(tmp_path, ".json")]
    assert process.save()
    assert [(path.name, path.stat().st_ino) for path in files(tmp_path, ".json")] == before
    process.end()


def test_copy_on_a_full_disk_keeps_what_was_there_and_is_written_when_there_is_room(tmp_path: Path) -> None:
    """A write that fails half done leaves the former file whole and no temporary one behind."""
    process = Process(tmp_path)
    process.circuit("a").restore_open(30.0, "down")
    assert process.save()
    names = {path.name for path in tmp_path.iterdir()}
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, unlimited[1]))
        process.circuit("b").restore_open(30.0, "down")
        assert not process.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name for path in tmp_path.iterdir()} == names
    (path,) = files(tmp_path, ".0.json")
    assert [row[0] for row in json.loads(path.read_text())["open"]] == ["a"]
    assert process.save()
    assert [row[0] for row in json.loads(path.read_text())["open"]] == ["a", "b"]
    process.end()


def test_copy_in_a_place_that_is_no_directory_changes_nothing_and_heals(tmp_path: Path) -> None:
    """Without a directory nothing is kept and nothing raises; once there can be one, it is written."""
    obstacle = tmp_path / "cache"
    obstacle.write_text("a file")
    process = Process(obstacle / "deeper")
    process.circuit("a").restore_open(30.0, "down")
    assert not process.save()
    obstacle.unlink()
    assert process.save()
    process.end()
    restarted = Process(obstacle / "deeper")
    assert restarted.circuit("a").state is CircuitState.OPEN
    restarted.end()


def test_copy_without_a_directory_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without a home directory has no copy, and joins all the same."""
    process = Process(None)
    assert process.desired is None
    assert not process.save()
    for name in ("SCROLLINTEL_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert cache_directory() is None


def test_copy_of_services_with_similar_names_lies_apart(tmp_path: Path) -> None:
    """Names that a file name cannot hold do not meet in one file."""
    for number, service in enumerate(("a/b", "a_b", "../b", "ä", "x" * 200)):
        process = Process(tmp_path, service)
        process.circuit(f"c{number}").restore_open(30.0, "down")
        assert process.save()
        process.end()
    assert len(files(tmp_path, ".0.json")) == 5


def test_slot_beyond_the_last_is_none(tmp_path: Path) -> None:
    """A process too many gets no place, which costs it its open circuits and nothing else."""
    taken = [Slot.take(tmp_path, "s") for _ in range(MAX_SLOTS)]
    assert [slot.number for slot in taken if slot is not None] == list(range(MAX_SLOTS))
    assert Slot.take(tmp_path, "s") is None
    for slot in taken:
        assert slot is not None
        slot.let_go()


def test_slot_of_a_parent_is_still_taken_when_its_child_lets_go(tmp_path: Path) -> None:
    """A forked child that gives up the descriptor that it inherited does not free its parent's place."""
    slot = Slot.take(tmp_path, "s")
    assert slot is not None
    child = os.fork()
    if child == 0:  # no test framework runs on in the child
        slot.let_go()
        os._exit(0)
    os.waitpid(child, 0)
    other = Slot.take(tmp_path, "s")
    assert other is not None
    assert other.number == 1
    slot.let_go()
    other.let_go()


def test_copy_of_a_service_that_is_no_unicode_has_a_place(tmp_path: Path) -> None:
    """A lone surrogate in a name, as the file system gives them, keeps nothing from working."""
    assert Copy(tmp_path, "bad\udcff").load() == (None, [])
