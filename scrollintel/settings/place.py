"""Where the server is, of settings that may be wrong elsewhere: whoever steers it must not depend on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .document import find_file, read_document
from .findings import Findings
from .layers import collect
from .loading import default_directory, section
from .sections import DataSettings, ServerSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is reached, and where its files lie.

    Arguments:
        url: Its address, for this machine.
        directory: Its data directory.
    """

    url: str
    directory: Path

    @property
    def admin_socket(self) -> Path:
        """The Unix socket on which the owner of the data directory needs no token."""
        return self.directory / "admin.sock"


def place_of(config_path: Path | str | None, environment: Mapping[str, str]) -> Place:
    """Return where the server is that settings describe, with the defaults where they cannot be read.

    Arguments:
        config_path: The settings file, as for `load`.
        environment: Variables, as for `load`.
    """
    findings = Findings()
    path, named_by = find_file(None if config_path is None else Path(config_path), environment, Path.cwd())
    layers = collect(read_document(path, named_by, findings), environment, {}, findings)
    server, data = section("server", ServerSettings, layers, findings), section("data", DataSettings, layers, findings)
    server = server if isinstance(server, ServerSettings) else ServerSettings()
    chosen = data.directory if isinstance(data, DataSettings) else None
    return Place(server.url, default_directory(environment) if chosen is None else Path(chosen))
