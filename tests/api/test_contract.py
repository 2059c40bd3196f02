"""The API against its own description: Schemathesis makes requests from it, and every answer must fit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from scrollintel.replica.protocol import PROTOCOL

from ..servers.control_plane import ServerProcess, server_process
from .rig import bearer

SEED = os.environ.get("SCROLLINTEL_FUZZ_SEED", "1")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
ROLES = ("admin", "auditor", "approver")
PHASES = {"coverage": 1, "fuzzing,stateful": 3}
"""Every boundary of every field once; and so many random requests to each route, and chains of requests."""
SECONDS = os.environ.get("SCROLLINTEL_FUZZ_SECONDS")
"""How long each phase goes on instead, as `make fuzz` sets it."""
LIMIT = int(SECONDS or 0) + 300
"""Seconds after which a phase counts as hanging: many times what it takes, because a machine may be busy."""


def token_for_everything(server: ServerProcess) -> str:
    """Return a token that may use every route; no role alone allows that."""
    admin = (server.directory / "first-admin-token").read_text().strip()
    bindings = [{"role": role, "services": ["*"]} for role in ROLES]
    body = {"name": "contract", "bindings": [*bindings, {"role": "replica", "services": ["orders"]}]}
    made = httpx2.post(f"{server.api}/tokens", json=body, headers=bearer(admin))
    made.raise_for_status()
    return str(made.json()["token"])


def furnish(server: ServerProcess, token: str) -> dict[str, str]:
    """Make what requests can be about, and return what the words in the configuration stand for."""
    with httpx2.Client(base_url=server.api, headers=bearer(token)) as client:

        def post(path: str, body: object) -> dict[str, str]:
            answer = client.post(path, json=body)
            answer.raise_for_status()
            return dict(answer.json())

        post("/services", {"name": "payments"})
        post("/services", {"name": "orders", "depends_on": [{"name": "payments"}]})
        post("/circuit-breakers", {"configuration": {"name": "payments"}})
        joined = post("/replicas", {"protocol": PROTOCOL, "instance": "one", "service": "orders", "version": "1"})
        pool = ["orders", "pool", None, "reduced", "", {"hosts": 3, "ejected": 1, "ejections": 1}]
        client.post(f"/replicas/{joined['replica']}/report", json={"full": True, "parts": [pool]}).raise_for_status()
        viewer = [{"role": "viewer", "services": ["*"]}]
        person = post("/tokens", {"name": "ann", "subject": "ann@example.org", "bindings": viewer})
    return {"REPLICA": joined["replica"], "PERSON": person["subject_id"]}


def configuration(server: ServerProcess, token: str, file: Path) -> Path:
    """Write the configuration of Schemathesis for this server to a file, and return that."""
    text = CONFIGURATION.read_text()
    for word, meaning in furnish(server, token).items():
        text = text.replace(f'"{word}"', f'"{meaning}"')
    file.write_text(text)
    return file


@pytest.mark.timeout(LIMIT + 60)
@pytest.mark.parametrize("phases", PHASES)
def test_contract_no_request_finds_an_answer_that_does_not_fit(phases: str, tmp_path: Path) -> None:
    """Made-up requests to every route: no check fails on any answer, so there is no 5xx either."""
    directory = tmp_path / "data"
    program = Path(sys.executable).with_name("schemathesis")
    limit = ["--max-time", SECONDS] if SECONDS else ["--max-examples", str(PHASES[phases])]
    with server_process(directory, enforced=True, bad_tokens_per_minute=10**9) as server:
        token = token_for_everything(server)
        command = [
            str(program), "--config-file", str(configuration(server, token, tmp_path / "schemathesis.toml")),
            "run", f"{server.url}/openapi.json",
            "--header", f"Authorization: Bearer {token}",
            "--phases", phases, *limit, "--seed", SEED, "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=tmp_path, timeout=LIMIT)
    assert done.returncode == 0, done.stdout[-20_000:]
    made = re.search(r"([\d,]+) generated", done.stdout)
    assert made is not None and int(made[1].replace(",", "")) > 20, done.stdout[-3000:]
