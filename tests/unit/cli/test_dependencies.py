"""What the command line needs to be installed, and what it says when that is missing."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import scrollintel.cli

from .rig import free_port

CLI = ("click", "rich")
SERVER = (
    "alembic", "cryptography", "fastapi", "joserfc", "psycopg", "pydantic", "sqlalchemy", "starlette", "uvicorn",
)  # fmt: skip
PROGRAM = """
import sys
missing, arguments = sys.argv[1].split(","), sys.argv[2:]
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from scrollintel.cli.main import main
code = main(arguments)
if "--modules" in missing:
    print(" ".join(sys.modules))
sys.exit(code)
"""


def run(home: Path, missing: tuple[str, ...], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an interpreter that cannot import some packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCROLLINTEL_", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(missing), *arguments],
        capture_output=True, text=True, check=False, timeout=60, cwd=home,
        env={**kept, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[3]),
             "SCROLLINTEL_SERVER_PORT": str(free_port())},  # on the usual one somebody may listen
    )  # fmt: skip


def test_core_alone_says_how_to_install_the_command_line(tmp_path: Path) -> None:
    """Without click there is no command, but a sentence that names the extra."""
    done = run(tmp_path, (*CLI, *SERVER), "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == '  pip install "scrollintel[cli]"'
    done = run(tmp_path, (*CLI, *SERVER), "circuits", "list", "--json")
    assert json.loads(done.stderr)["code"] == "missing_extra"


@pytest.mark.parametrize("command", ["--help", "circuits list --help", "version", "config", "completion zsh", "doctor"])
def test_client_alone_does_what_needs_no_server(tmp_path: Path, command: str) -> None:
    """Help, settings and a look at this machine need the extra `cli` only."""
    done = run(tmp_path, SERVER, *command.split())
    assert (done.returncode, bool(done.stdout)) == (0, True), done.stderr


def test_client_alone_talks_to_a_control_plane(tmp_path: Path) -> None:
    """Finding out that nobody is there takes the settings and a connection."""
    done = run(tmp_path, SERVER, "circuits", "list")
    assert done.returncode == 3
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize("command", ["serve", "db check", "db backup x", "audit verify x", "--yes db move x"])
def test_client_alone_names_the_extra_of_the_server(tmp_path: Path, command: str) -> None:
    """One line says what is missing, the next one what to type."""
    done = run(tmp_path, SERVER, *command.split())
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("Error: this command needs ")
    assert second == '  pip install "scrollintel[server]"'
    told = json.loads(run(tmp_path, SERVER, "--json", *command.split()).stderr)
    assert told["hint"] == 'pip install "scrollintel[server]"'


def test_dashboard_names_its_own_extra(tmp_path: Path) -> None:
    """The command is listed without Textual, and says what to type."""
    for arguments in (["--help"], ["dashboard", "--help"]):
        done = run(tmp_path, ("textual",), *arguments)
        assert (done.returncode, "live in the terminal" in done.stdout) == (0, True), done.stderr
    done = run(tmp_path, ("textual",), "dashboard")
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("Error: this command needs textual")
    assert second == '  pip install "scrollintel[dashboard]"'


def test_help_loads_neither_rich_nor_anything_of_the_server(tmp_path: Path) -> None:
    """`scrollintel --help` and the completion of a line stay fast."""
    for command in (["--help"], ["circuits", "--help"], ["dashboard", "--help"], ["version"]):
        loaded = set(run(tmp_path, ("--modules",), *command).stdout.split())
        assert "click" in loaded
        assert not loaded & {*SERVER, "rich", "textual", "asyncio", "scrollintel.storage", "scrollintel.settings"}


def test_modules_of_the_command_line_import_nothing_of_the_server() -> None:
    """Database, web framework and cryptography are the business of the layers below."""
    found = set()
    for file in Path(scrollintel.cli.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                found.add(node.module.partition(".")[0])
    assert found & set(SERVER) == set()
    assert found - set(sys.stdlib_module_names) == {*CLI, "textual"}
