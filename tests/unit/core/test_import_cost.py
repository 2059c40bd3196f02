"""What `import scrollintel` loads: the standard library only, and asyncio not before a coroutine is protected."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

LOADED = """
    import json, sys
    before = set(sys.modules)
    {program}
    new = sorted(set(sys.modules) - before)
    outside = sorted(
        {{name.partition(".")[0] for name in new}} - set(sys.stdlib_module_names) - {{"scrollintel"}}
    )
    print(json.dumps({{"outside": outside, "new": new}}))
"""


def loaded_by(program: str) -> dict[str, list[str]]:
    """Return the modules that a fresh interpreter loads for a program, and those from outside."""
    text = textwrap.dedent(LOADED).format(program=textwrap.dedent(program).strip())
    done = subprocess.run([sys.executable, "-I", "-c", text], capture_output=True, text=True, timeout=60, check=True)
    result: dict[str, list[str]] = json.loads(done.stdout)
    return result


def test_import_loads_no_third_party_module_and_not_asyncio() -> None:
    """The package comes alone, and without what blocking code does not need."""
    loaded = loaded_by("import scrollintel")
    assert loaded["outside"] == []
    for module in ("asyncio", "ssl", "socket", "http", "multiprocessing", "concurrent.futures", "unittest"):
        assert module not in loaded["new"]


def test_import_loads_a_bounded_number_of_modules() -> None:
    """The number of modules stays small; an import that creeps in shows here."""
    assert len(loaded_by("import scrollintel")["new"]) < 130


def test_blocking_use_does_not_load_asyncio() -> None:
    """Breaker, retry, fallback, bulkhead, time limits, events and snapshots of blocking code need no asyncio."""
    program = """
from scrollintel import *
hub = EventHub()
hub.subscribe(print)
policy = Policy("p", breaker=CircuitBreakerConfig("p", failure_threshold=1), retry=RetryConfig(base_delay=0),
                timeout=TimeoutConfig(attempt=5, total=9, in_thread=True), bulkhead=2, fallback=Value(1),
                rate_limit=RateLimitConfig(100))
pipeline = Pipeline(policy)
assert pipeline(lambda: 2)() == 2
assert pipeline.call(lambda: 1 / 0) == 1
with Pipeline(Policy("block", timeout=TimeoutConfig(total=9))).guard(): pass
ft_manager.execute_blocking(lambda: 1, circuit_breaker_config=CircuitBreakerConfig("q"))
ft_manager.degradation.register_service("s")
pipeline.snapshot().to_dict()
"""
    loaded = loaded_by(program)
    assert "asyncio" not in loaded["new"]
    assert loaded["outside"] == []


def test_integrations_and_testing_are_not_loaded_by_the_package() -> None:
    """What only some users need is imported by them."""
    new = loaded_by("import scrollintel")["new"]
    assert not [name for name in new if name.startswith(("scrollintel.integrations", "scrollintel.testing"))]
