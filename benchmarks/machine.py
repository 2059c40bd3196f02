"""A description of the machine without its name."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def describe() -> str:
    """Return interpreter, system and processor in one line."""
    return (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{_processor()}, {os.cpu_count()} cores, switch interval {sys.getswitchinterval() * 1000:g} ms"
    )
