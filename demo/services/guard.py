"""The last tie: when the demo is gone, however it went, ends what runs in sessions of its own. Arguments: the folder.

A process that the control plane has started is no child of the demo, and one that is stopped cannot notice anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path


def main() -> None:
    """Wait until the demo's end of standard input closes, then kill whom the pidfiles name and remove the folder."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while os.read(0, 1024):
        pass
    folder = Path(sys.argv[1])
    for path in folder.glob("*.pid"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            os.kill(json.loads(path.read_text())["pid"], signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
