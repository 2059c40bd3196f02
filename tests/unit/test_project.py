"""The promises of the project around the library: what is pinned, what is declared, what the tree holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import scrollintel

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
IGNORED_FOLDERS = frozenset({".git", ".venv", "build", "dist", "reports", "htmlcov", "__pycache__"})
PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)(?:\[[a-z0-9,._-]+\])?==(?P<version>[^ ;\\]+)(?P<rest>.*)$")


def project() -> dict[str, Any]:
    """Return pyproject.toml as parsed TOML."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def tree() -> list[Path]:
    """Return the project's files: what git knows or would add, or a walk where there is no repository."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [
            path
            for path in ROOT.rglob("*")
            if path.is_file()
            and not any(part in IGNORED_FOLDERS or part.endswith("_cache") for part in path.relative_to(ROOT).parts)
        ]
    return [path for name in listed if name and (path := ROOT / name).is_file()]


def pins(path: Path) -> dict[str, tuple[str, str]]:
    """Return name → (version, everything up to the next pin) of one compiled list."""
    found: dict[str, tuple[str, str]] = {}
    name = version = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := PIN.match(line):
            name, version = match["name"], match["version"]
            found[name] = (version, match["rest"])
        elif name:
            found[name] = (version, found[name][1] + "\n" + line)
    return found


def module_imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, inside functions as well; its own package left out."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names - {"scrollintel"}


def test_tree_names_no_package_registry() -> None:
    """No file of the project holds the host name of a package registry."""
    hosts = [
        f"{first}{second}.{ending}" for first, second, ending in (("py", "pi", "org"), ("python", "hosted", "org"))
    ]
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tree()
        for host in hosts
        if host.encode() in path.read_bytes().lower()
    ]
    assert found == []


def test_project_has_no_required_dependency() -> None:
    """The library installs alone."""
    assert project()["project"]["dependencies"] == []


SERVER_FLOORS = {
    "api": {"fastapi", "pydantic", "pydantic_core", "starlette"},
    "dashboard": {"fastapi", "starlette"},
    "cli": {"alembic", "click", "rich", "sqlalchemy", "textual"},
    "durable": {"dbos", "sqlalchemy"},
    "models": {"sqlalchemy"},
    "outbound": {"h11"},
    "security": {"cryptography", "joserfc"},
    "service": {"psutil", "pydantic_core"},
    "settings": {"psutil", "yaml"},
    "storage": {"alembic", "sqlalchemy"},
    "serving.py": {"uvicorn"},
    "telemetry": {"opentelemetry", "prometheus_client"},
    "watch": {"grpc", "grpc_health", "psutil", "psycopg", "redis"},
}
"""What each part of the server may import beside the standard library; every other part may import nothing."""


def test_project_library_imports_the_standard_library_only() -> None:
    """No module but those for other clients, the test tools and the server imports anything that is installed."""
    package = ROOT / "scrollintel"
    foreign = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in package.rglob("*.py")
        if (part := path.relative_to(package).parts[0]) != "integrations"
        and path.name != "pytest_fixtures.py"
        and (names := module_imports(path) - sys.stdlib_module_names - SERVER_FLOORS.get(part, set()))
    }
    assert foreign == {}


def test_project_version_is_the_one_of_the_package() -> None:
    """The version is written once, in the package, and the build reads it there."""
    declared = project()
    assert declared["project"]["dynamic"] == ["version"]
    assert declared["tool"]["hatch"]["version"]["path"] == "scrollintel/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", scrollintel.__version__)


def test_project_is_marked_as_typed() -> None:
    """Type checkers are told to read the package's annotations."""
    assert (ROOT / "scrollintel" / "py.typed").is_file()


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_every_pin_carries_hashes(path: Path) -> None:
    """Every pinned distribution is exact and hashed, and the list names no address."""
    pinned = pins(path)
    assert pinned
    assert [name for name, (_, rest) in pinned.items() if "--hash=sha256:" not in rest] == []
    assert "://" not in path.read_text(encoding="utf-8")


def test_requirements_every_list_is_compiled() -> None:
    """Each list of wishes has its list of pins, and the other way round."""
    wishes = {path.stem for path in (ROOT / "requirements").glob("*.in")}
    assert wishes == {path.stem for path in REQUIREMENTS}


def test_requirements_lists_agree_on_versions() -> None:
    """The lists share one environment, so no distribution is pinned at two versions."""
    versions: dict[str, set[str]] = {}
    for path in REQUIREMENTS:
        for name, (version, _) in pins(path).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_makefile_help_lists_every_target() -> None:
    """`make help` shows each target a person may call."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert declared is not None
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    listed = re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE)
    assert sorted(listed) == sorted(declared[1].split())


def test_tree_has_no_module_named_after_nothing() -> None:
    """A file is named after the concept it holds."""
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in tree() if path.suffix == ".py" and {path.stem, *path.parent.parts} & vague] == []
