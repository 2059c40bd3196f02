"""Where the token comes from, where it goes, and that nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ...servers.certificates import self_signed
from .rig import Reply, Run, ScriptedPlane, free_port, problem

TOKEN = "sit_made-up-0123456789"
OTHER = "sit_another-0123456789"


@pytest.fixture
def listing(plane: ScriptedPlane) -> ScriptedPlane:
    """Return a control plane that lists no services."""
    return plane.on("GET", "/services", Reply(body={"items": [], "next_cursor": None}))


def sent_token(plane: ScriptedPlane) -> str | None:
    """Return the token of the last request."""
    return plane.asked[-1].headers.get("authorization", "").removeprefix("Bearer ") or None


def test_token_sources_in_their_order(
    remote: Run, listing: ScriptedPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Option, file option, variable, file variable; none of them is needed."""
    (tmp_path / "token").write_text(f"{OTHER}\n")
    assert remote("services", "list").code == 0
    assert sent_token(listing) is None
    monkeypatch.setenv("SCROLLINTEL_TOKEN_FILE", str(tmp_path / "token"))
    remote("services", "list")
    assert sent_token(listing) == OTHER
    monkeypatch.setenv("SCROLLINTEL_TOKEN", "from-variable")
    remote("services", "list")
    assert sent_token(listing) == "from-variable"
    remote("services", "list", "--token-file", str(tmp_path / "token"))
    assert sent_token(listing) == OTHER
    remote("--token-file", str(tmp_path / "token"), "services", "list", "--token", TOKEN)
    assert sent_token(listing) == TOKEN


def test_url_from_variable_and_path_in_front(cli: Run, listing: ScriptedPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control plane behind a proxy's path is asked below it."""
    monkeypatch.setenv("SCROLLINTEL_URL", f"{listing.url}/plane/")
    cli("services", "list")
    assert listing.asked[-1].path == "/plane/api/v1/fault-tolerance/services"


@pytest.mark.parametrize("form", ["--json", "--no-color"])
def test_token_is_never_echoed(remote: Run, plane: ScriptedPlane, form: str) -> None:
    """Not even when the other side sends it back, or when it cannot be one."""
    plane.otherwise = problem(401, "invalid_token", detail=f"Bearer {TOKEN} is not valid")
    for given in (TOKEN, f"{TOKEN} with spaces", f"{TOKEN}\n", f"{TOKEN}é"):
        done = remote(form, "-v", "--token", given, "services", "list")
        assert done.code in {2, 4}
        assert TOKEN not in done.out + done.err


def test_token_in_the_address_is_refused_without_showing_it(cli: Run) -> None:
    """An address is shown; what is secret has no place in it."""
    for url in (f"http://user:{TOKEN}@localhost", f"http://localhost?token={TOKEN}", f"http://localhost#{TOKEN}"):
        done = cli("-v", "--url", url, "services", "list")
        assert done.code == 2
        assert TOKEN not in done.out + done.err


def test_token_over_a_network_without_tls_is_warned_of(cli: Run) -> None:
    """On this machine it is nobody else's to read."""
    warning = "the token crosses the network unencrypted"
    port = free_port()
    for host, warned in (("127.0.0.2", False), ("localhost", False), ("nosuch.invalid", True)):
        done = cli("--url", f"http://{host}:{port}", "--token", TOKEN, "services", "list")
        assert done.code == 3
        assert (warning in done.err) is warned


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_token_file_that_holds_none_is_refused(remote: Run, tmp_path: Path, content: bytes | None) -> None:
    """Nobody goes on as somebody else because a file is missing or empty."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    done = remote("--token-file", str(file), "services", "list")
    assert done.code == 2
    assert "[unreadable_token_file]" in done.err


def test_empty_option_is_refused(remote: Run, listing: ScriptedPlane) -> None:
    """An empty variable of a script does not turn into the default identity."""
    done = remote("--token", "", "services", "list")
    assert done.code == 2
    assert "is empty" in done.err
    assert listing.asked == []


# ---------------------------------------------------------------------------------------------------- the admin socket


@pytest.fixture
def owner(cli: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedPlane]:
    """Return a control plane on the admin socket of the user's data folder; a socket's path has to be a short one."""
    with TemporaryDirectory(prefix="home") as home:
        monkeypatch.setenv("HOME", home)
        folder = Path(home) / ".local" / "share" / "scrollintel"
        folder.mkdir(parents=True)
        with ScriptedPlane(socket_path=folder / "admin.sock") as server:
            yield server.on("GET", "/services", Reply(body={"items": [], "next_cursor": None}))


def test_socket_of_this_machine_is_the_default_and_needs_no_token(cli: Run, owner: ScriptedPlane) -> None:
    """Whoever may open the socket is the owner."""
    assert cli("services", "list").code == 0
    assert sent_token(owner) is None


def test_socket_gives_way_to_a_token(
    cli: Run, owner: ScriptedPlane, listing: ScriptedPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who gives a token wants its rights, not the owner's."""
    monkeypatch.setenv("SCROLLINTEL_SERVER_PORT", listing.url.rpartition(":")[2])
    assert cli("--token", TOKEN, "services", "list").code == 0
    assert owner.asked == []
    assert sent_token(listing) == TOKEN


def test_socket_option_goes_with_neither_address_nor_token(cli: Run, tmp_path: Path) -> None:
    """Two places, or an identity that nobody asks for, are contradictions."""
    for more in (["--url", "http://127.0.0.1:1"], ["--token", TOKEN], ["--token-file", "x"]):
        done = cli("--socket", str(tmp_path / "x.sock"), *more, "services", "list")
        assert done.code == 2
        assert "[contradictory_options]" in done.err


def test_socket_that_is_not_there_is_told(cli: Run, tmp_path: Path) -> None:
    """Exit code 3, with the file's name."""
    done = cli("--socket", str(tmp_path / "x.sock"), "services", "list")
    assert done.code == 3
    assert f"socket {tmp_path / 'x.sock'} cannot be reached: no such file or directory" in done.err


# ----------------------------------------------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a PEM file with key and certificate of 127.0.0.1, signed by itself."""
    made = self_signed(tmp_path_factory.mktemp("tls"))
    file = made.chain.with_name("server.pem")
    file.write_bytes(made.key.read_bytes() + made.chain.read_bytes())
    return file


@pytest.fixture
def secure(certificate: Path) -> Iterator[ScriptedPlane]:
    """Return a control plane that speaks TLS with a certificate that this machine does not know."""
    with ScriptedPlane(certificate=certificate) as server:
        yield server.on("GET", "/services", Reply(body={"items": [], "next_cursor": None}))


def test_tls_with_an_authority_of_ones_own(
    cli: Run, secure: ScriptedPlane, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--ca-file, or its variable, is what is trusted; without it the certificate is refused."""
    done = cli("--url", secure.url, "services", "list")
    assert done.code == 3
    assert "its certificate is not valid" in done.err
    assert cli("--url", secure.url, "--ca-file", str(certificate), "services", "list").code == 0
    monkeypatch.setenv("SCROLLINTEL_CA_FILE", str(certificate))
    assert cli("--url", secure.url, "services", "list").code == 0


def test_tls_for_another_name_is_refused(cli: Run, secure: ScriptedPlane, certificate: Path) -> None:
    """The certificate must be that of the host that was asked for."""
    url = secure.url.replace("127.0.0.1", "localhost")
    done = cli("--url", url, "--ca-file", str(certificate), "--token", TOKEN, "services", "list")
    assert done.code == 3
    assert "its certificate is not valid" in done.err
    assert secure.asked == []


def test_tls_to_a_server_without_it_and_the_other_way_round(
    cli: Run, plane: ScriptedPlane, secure: ScriptedPlane
) -> None:
    """Both ends of the misunderstanding are named."""
    done = cli("--url", plane.url.replace("http:", "https:"), "services", "list")
    assert (done.code, "does not speak TLS" in done.err) == (3, True)
    done = cli("--url", secure.url.replace("https:", "http:"), "services", "list")
    assert done.code == 3
    assert "https://" in done.err
    assert "scrollintel serve" not in done.err


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_tls_authorities_that_cannot_be_read_are_told(cli: Run, tmp_path: Path, content: str | None) -> None:
    """The file is named; nothing is asked with less trust instead."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    done = cli("--url", "https://127.0.0.1:1", "--ca-file", str(file), "services", "list")
    assert done.code == 2
    assert "[unreadable_ca_file]" in done.err
