"""A control plane as a program: `python -m tests.servers.serve DIRECTORY PORT OPTIONS`."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from scrollintel.composition import wire
from scrollintel.serving import Listening, run

if __name__ == "__main__":
    logging.basicConfig(level="INFO")
    directory = Path(sys.argv[1])
    use_cases = wire(directory=directory, **json.loads(sys.argv[3]))
    run(use_cases, Listening(port=int(sys.argv[2]), directory=directory))
