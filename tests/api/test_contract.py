"""The API against its own description: Schemathesis makes requests from it, and every answer must fit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from ..servers.control_plane import server_process

EXAMPLES = os.environ.get("SCROLLINTEL_CONTRACT_EXAMPLES", "8")
SECONDS = os.environ.get("SCROLLINTEL_CONTRACT_SECONDS", "45")


def test_contract_no_request_finds_an_answer_that_does_not_fit(tmp_path: Path) -> None:
    """Made-up requests to every route but the endless one: no failure of any check, so no 5xx either.

    One check is left out: that whatever the description allows is accepted. Rules between fields (a window that must be
    whole when it counts calls) cannot be said in a JSON Schema, and a circuit that does not exist cannot be reset.
    """
    directory = tmp_path / "data"
    program = Path(sys.executable).with_name("schemathesis")
    with server_process(directory, enforced=True, bad_tokens_per_minute=10**9) as server:
        token = (directory / "first-admin-token").read_text().strip()
        command = [
            str(program), "run", f"{server.url}/openapi.json",
            "--header", f"Authorization: Bearer {token}",
            "--checks", "all", "--exclude-checks", "positive_data_acceptance",
            "--exclude-path-regex", "/events$",
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", EXAMPLES, "--max-time", SECONDS, "--seed", "1", "--no-color",
        ]  # fmt: skip
        limit = float(SECONDS) + 60
        done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path, timeout=limit)
    assert done.returncode == 0, done.stdout[-8000:]
    assert re.search(r"(?<!\d)0 generated", done.stdout) is None
