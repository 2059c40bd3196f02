"""Where key-encryption keys come from, and everything that makes a provider refuse."""

from __future__ import annotations

import base64
import logging
import os
import resource
import signal
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from scrollintel.security.errors import KeyUnavailableError
from scrollintel.security.key_files import FileKeyProvider
from scrollintel.security.key_providers import (
    CommandKeyProvider,
    EnvironmentKeyProvider,
    KeyEncryptionKey,
    KeyProvider,
    decode_key,
)

ONE = bytes(range(32))
TWO = bytes(range(32, 64))


def text_of(material: bytes) -> str:
    """Return a key as its sources write it."""
    return base64.b64encode(material).decode()


def test_key_id_follows_from_the_key_and_hides_it() -> None:
    """The same key has the same id everywhere, and neither id nor repr shows it."""
    key = KeyEncryptionKey(ONE)
    assert key.id == KeyEncryptionKey(ONE).id != KeyEncryptionKey(TWO).id
    assert repr(key) == f"KeyEncryptionKey(id={key.id!r})"
    with pytest.raises(ValueError, match="32 bytes"):
        KeyEncryptionKey(b"short")


@pytest.mark.parametrize("form", [text_of(ONE), text_of(ONE).rstrip("="), f"  {text_of(ONE)}\n"])
def test_decode_key_accepts_the_usual_forms(form: str) -> None:
    """Padding and white space around make no difference, and both alphabets are read."""
    assert decode_key(form, "here").material == ONE
    high = bytes([255, 254, 253, *range(29)])
    assert decode_key(base64.urlsafe_b64encode(high).decode(), "here").material == high


@pytest.mark.parametrize("form", ["", "secret!", text_of(ONE[:31]), text_of(ONE + b"x"), text_of(bytes(32)), "é"])
def test_decode_key_refuses_anything_else_without_repeating_it(form: str) -> None:
    """Short, long, constant and unreadable keys are refused; the error shows the source only."""
    with pytest.raises(KeyUnavailableError) as caught:
        decode_key(form, "here")
    assert not form or form not in str(caught.value)
    assert caught.value.details["source"] == "here"


def test_files_first_start_creates_one_private_key(tmp_path: Path) -> None:
    """The first key is a file of mode 0600 in a directory of mode 0700, and nothing else is left."""
    provider: KeyProvider = FileKeyProvider(tmp_path / "a" / "keys", create=True)
    (file,) = (tmp_path / "a" / "keys").iterdir()
    assert file.name == "key-000001.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    again = FileKeyProvider(tmp_path / "a" / "keys", create=True)
    assert again.current() == provider.current() == again.find(provider.current().id)


def test_files_without_a_key_refuse_and_create_nothing(tmp_path: Path) -> None:
    """A lost key directory is an error that says so, not a new key."""
    with pytest.raises(KeyUnavailableError, match=r"holds no key.*backup"):
        FileKeyProvider(tmp_path / "keys")
    assert not (tmp_path / "keys").exists()


def test_files_rotate_makes_a_newer_key_current_and_keeps_the_old(tmp_path: Path) -> None:
    """After two rotations three keys are known, the newest first, also to the next process."""
    provider = FileKeyProvider(tmp_path / "keys", create=True)
    first = provider.current()
    second, third = provider.rotate(), provider.rotate()
    assert provider.current() == third
    assert provider.find(first.id) == first
    reopened = FileKeyProvider(tmp_path / "keys")
    assert reopened.ids() == (third.id, second.id, first.id)


def test_files_reload_sees_the_rotation_of_another_process(tmp_path: Path) -> None:
    """A running server learns of a key that the command line added."""
    server = FileKeyProvider(tmp_path / "keys", create=True)
    added = FileKeyProvider(tmp_path / "keys").rotate()
    with pytest.raises(KeyUnavailableError):
        server.find(added.id)
    server.reload()
    assert server.current() == added


def test_files_concurrent_rotations_never_overwrite_a_key(tmp_path: Path) -> None:
    """Whoever comes second is refused; every key that was handed out is still on disk."""
    FileKeyProvider(tmp_path / "keys", create=True)
    made: list[str] = []
    start = threading.Barrier(6)

    def rotate() -> None:
        provider = FileKeyProvider(tmp_path / "keys")
        start.wait()
        try:
            provider.rotate()
        except KeyUnavailableError as error:
            assert "another process" in str(error)
        made.extend(provider.ids())

    threads = [threading.Thread(target=rotate) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == set(FileKeyProvider(tmp_path / "keys").ids())
    assert all(file.name.startswith("key-") for file in (tmp_path / "keys").iterdir())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_files_readable_by_others_are_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    """A key that others may have read is not used; the error names the command that closes it."""
    FileKeyProvider(tmp_path / "keys", create=True)
    file = tmp_path / "keys" / "key-000001.key"
    file.chmod(mode)
    with pytest.raises(KeyUnavailableError, match=f"chmod 600 {file}"):
        FileKeyProvider(tmp_path / "keys", create=True)


def test_files_in_a_directory_that_others_may_write_are_refused(tmp_path: Path) -> None:
    """Who may write the directory may exchange the key."""
    FileKeyProvider(tmp_path / "keys", create=True)
    (tmp_path / "keys").chmod(0o770)
    with pytest.raises(KeyUnavailableError, match="chmod 700"):
        FileKeyProvider(tmp_path / "keys")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 9, b"A" * 5000])
def test_files_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """A truncated, binary or oversized file stops the start instead of being skipped."""
    provider = FileKeyProvider(tmp_path / "keys", create=True)
    provider.rotate()
    (tmp_path / "keys" / "key-000001.key").write_bytes(content)
    with pytest.raises(KeyUnavailableError, match="key-000001"):
        FileKeyProvider(tmp_path / "keys")


def test_files_on_a_full_disk_leave_no_half_key_behind(tmp_path: Path) -> None:
    """A key that cannot be written whole is an error, and so is no file under whatever name."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, unlimited[1]))
        with pytest.raises(KeyUnavailableError, match="cannot be used"):
            FileKeyProvider(tmp_path / "keys", create=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, handler)
    assert list((tmp_path / "keys").iterdir()) == []
    assert FileKeyProvider(tmp_path / "keys", create=True).ids()


def test_files_single_mounted_file_is_read_and_never_written(tmp_path: Path) -> None:
    """A secret that an orchestrator mounts serves as the only key."""
    file = tmp_path / "master"
    file.touch(0o600)
    file.write_text(text_of(ONE))
    provider = FileKeyProvider(file, create=True)
    assert provider.current() == KeyEncryptionKey(ONE)
    with pytest.raises(KeyUnavailableError, match="single file"):
        provider.rotate()
    assert file.read_text() == text_of(ONE)


def test_files_path_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    """A path below a file is refused in plain words."""
    (tmp_path / "file").touch()
    with pytest.raises(KeyUnavailableError, match="cannot be used"):
        FileKeyProvider(tmp_path / "file" / "keys", create=True)


def test_environment_gives_current_and_former_keys_and_warns(caplog: pytest.LogCaptureFixture) -> None:
    """Both variables are read, and the log says that this is for development without showing the key."""
    environment = {"SCROLLINTEL_MASTER_KEY": text_of(ONE), "SCROLLINTEL_MASTER_KEY_PREVIOUS": f"{text_of(TWO)},"}
    with caplog.at_level(logging.WARNING):
        provider = EnvironmentKeyProvider(environment)
    assert provider.current().material == ONE
    assert provider.find(KeyEncryptionKey(TWO).id).material == TWO
    assert "development" in caplog.text
    assert text_of(ONE) not in caplog.text


def test_environment_without_a_key_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or empty variable is an error that names it."""
    monkeypatch.delenv("SCROLLINTEL_MASTER_KEY", raising=False)
    with pytest.raises(KeyUnavailableError, match="SCROLLINTEL_MASTER_KEY"):
        EnvironmentKeyProvider()
    with pytest.raises(KeyUnavailableError, match="is not set"):
        EnvironmentKeyProvider({"SCROLLINTEL_MASTER_KEY": " "})


def run_python(code: str, timeout: float = 30.0) -> CommandKeyProvider:
    """Ask a Python program for the keys."""
    return CommandKeyProvider([sys.executable, "-I", "-c", code], timeout=timeout)


def test_command_first_line_is_current_and_reload_asks_again(tmp_path: Path) -> None:
    """What the program prints later is seen on reload, and a failing reload keeps the former keys."""
    file = tmp_path / "keys.txt"
    file.write_text(f"{text_of(ONE)}\n{text_of(TWO)}\n")
    provider = run_python(f"print(open({str(file)!r}).read())")
    assert provider.current().material == ONE
    assert provider.find(KeyEncryptionKey(TWO).id).material == TWO
    file.write_text(text_of(TWO))
    provider.reload()
    assert provider.current().material == TWO
    file.unlink()
    with pytest.raises(KeyUnavailableError, match="status 1"):
        provider.reload()
    assert provider.current().material == TWO


def test_command_environment_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program sees nothing of the server's environment."""
    monkeypatch.setenv("PLANTED", "x")
    with pytest.raises(KeyUnavailableError, match="status 3"):
        run_python("import os, sys; sys.exit(4 if 'PLANTED' in os.environ else 3)")


def test_command_is_started_without_a_shell(tmp_path: Path) -> None:
    """Shell syntax in an argument is passed on as it is."""
    marker = tmp_path / "marker"
    with pytest.raises(KeyUnavailableError):
        CommandKeyProvider(["/bin/echo", f"; touch {marker}"])
    assert not marker.exists()


def test_command_that_hangs_is_killed_with_its_children() -> None:
    """Neither the program nor a child that holds its output keeps the start waiting."""
    child = "import subprocess, sys; subprocess.run([sys.executable, '-I', '-c', 'import time; time.sleep(60)'])"
    with pytest.raises(KeyUnavailableError, match=r"within 0\.3 s"):
        run_python(child, timeout=0.3)


def test_command_that_is_killed_takes_its_children_along() -> None:
    """A child in the background does not outlive the program that was killed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        child = (
            f"import socket, time; s = socket.create_connection({address!r}); print('on', flush=True); time.sleep(60)"
        )
        code = (
            "import subprocess, sys, time\n"
            f"child = subprocess.Popen([sys.executable, '-I', '-c', {child!r}], stdout=subprocess.PIPE)\n"
            "child.stdout.readline()\n"
            "print('A' * 70000, flush=True)\n"
            "time.sleep(60)\n"
        )
        with pytest.raises(KeyUnavailableError, match="more than"):
            run_python(code)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "code, problem",
    [
        ("print('A' * 70000)", "more than 65536 bytes"),
        ("pass", "no key"),
        ("print('no key')", "32 bytes"),
        ("import sys; sys.stdout.buffer.write(bytes([255]))", "did not print base64"),
    ],
)
def test_command_with_a_useless_answer_is_refused(code: str, problem: str) -> None:
    """Floods, silence and other texts are refused; nothing of them appears in the error."""
    with pytest.raises(KeyUnavailableError, match=problem) as caught:
        run_python(code)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("command", [[], ["openssl"], ["/nowhere/at/all"], [os.devnull]])
def test_command_that_is_no_program_is_refused(command: list[str]) -> None:
    """A relative name, which PATH could redirect, is refused like a missing program."""
    with pytest.raises(KeyUnavailableError):
        CommandKeyProvider(command)
