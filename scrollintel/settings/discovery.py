"""What runs on this machine: listening ports, systemd units, and the services of a compose file."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SYSTEMD = Path("/run/systemd/system")
_TIMEOUT = 10.0
_MAX_BYTES = 1024 * 1024
_PARTS_OF_THE_SYSTEM = ("systemd-", "dbus", "getty@", "serial-getty@", "user@", "polkit", "console-getty", "init.scope")


@dataclass(frozen=True, slots=True, order=True)
class Listener:
    """A TCP port that somebody listens on.

    Attributes:
        port: The port.
        host: Address at which this machine reaches it.
        process: Name of the process, or None when it belongs to somebody else.
        passing: Whether it is of the range from which the system gives away free ports, so that the next start may
            have another one.
    """

    port: int
    host: str
    process: str | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service of a compose file.

    Attributes:
        name: Its name.
        ports: Ports that it publishes on this machine.
        depends_on: Services that it needs.
    """

    name: str
    ports: tuple[int, ...] = ()
    depends_on: tuple[str, ...] = ()


def listeners() -> list[Listener]:
    """Return the TCP ports that are listened on; empty where the system does not tell."""
    import psutil

    found: dict[int, Listener] = {}
    given_away = _ports_given_away()
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return []
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        address, port = connection.laddr[0], connection.laddr[1]
        host = "127.0.0.1" if ip_address(address.partition("%")[0]).is_unspecified else address
        known = found.get(port)
        if known is None or (known.process is None and connection.pid is not None):
            found[port] = Listener(port, host, _name(connection.pid), port in given_away)
    return sorted(found.values())


def _ports_given_away() -> range:
    try:
        first, last = _GIVEN_AWAY.read_text(encoding="ascii").split()
        return range(int(first), int(last) + 1)
    except (OSError, ValueError):  # no Linux: the range of RFC 6335
        return range(49152, 65536)


def _name(pid: int | None) -> str | None:
    import psutil

    if pid is None:
        return None
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return None


def running_units() -> list[str]:
    """Return the service units that run, without those of the system itself; empty where there is no systemd."""
    program = shutil.which("systemctl")
    if program is None or not _SYSTEMD.is_dir():
        return []
    command = [program, "list-units", "--type=service", "--state=running", "--no-legend", "--plain", "--no-pager"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)  # noqa: S603  # fixed arguments
    except (OSError, subprocess.SubprocessError):
        return []
    return units_of(done.stdout) if done.returncode == 0 else []


def units_of(listed: str) -> list[str]:
    """Return the units that `systemctl list-units --plain --no-legend` has listed, without those of the system."""
    names = (line.split()[0] for line in listed.splitlines() if line.strip())
    return sorted(name for name in names if not name.startswith(_PARTS_OF_THE_SYSTEM))


def compose_services(folder: Path) -> tuple[Path | None, list[ComposeService]]:
    """Return the compose file of a folder and its services; (None, []) when there is none.

    Raises:
        ValueError: when the file cannot be read; the text says why.
    """
    path = next((folder / name for name in COMPOSE_FILES if (folder / name).is_file()), None)
    if path is None:
        return None, []
    import yaml

    try:
        with path.open(encoding="utf-8") as stream:
            content = yaml.safe_load(stream.read(_MAX_BYTES))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path.name} cannot be read ({type(error).__name__})") from None
    services = content.get("services") if isinstance(content, Mapping) else None
    if not isinstance(services, Mapping):
        return path, []
    return path, [
        ComposeService(str(name), _ports(row.get("ports")), _needs(row.get("depends_on")))
        for name, row in services.items()
        if isinstance(row, Mapping)
    ]


def _ports(listed: object) -> tuple[int, ...]:
    found = [_published(item) for item in listed] if isinstance(listed, list) else []
    return tuple(dict.fromkeys(port for port in found if port is not None))


def _published(item: object) -> int | None:
    """Return the port on this machine of `8080:80`, `127.0.0.1:8080:80/tcp` or {published, target}; no ranges."""
    if isinstance(item, Mapping):
        text = str(item.get("published", ""))
        protocol = str(item.get("protocol", "tcp"))
    else:
        whole, _, protocol = str(item).partition("/")
        parts = whole.rsplit(":", 2)
        text = parts[-2] if len(parts) > 1 else ""
    known = text.isascii() and text.isdigit() and 0 < int(text) < 65536
    return int(text) if known and protocol in ("", "tcp") else None


def _needs(listed: object) -> tuple[str, ...]:
    if isinstance(listed, Mapping | list):
        return tuple(dict.fromkeys(str(name) for name in listed))
    return ()
