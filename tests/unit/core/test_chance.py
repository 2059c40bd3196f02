"""The engine draws its randomness in one place, which a simulation can take over for its thread."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Thread

import scrollintel.core
from scrollintel.core.chance import chance, drawing_from


def test_without_a_simulation_the_generator_of_the_process_is_drawn_from() -> None:
    """Seeding `random` decides what comes."""
    random.seed(5)
    expected = random.random()
    random.seed(5)
    assert chance() == expected


def test_another_source_holds_for_its_thread_and_its_block() -> None:
    """Other threads go on as before, and so does this one afterwards."""
    elsewhere: list[float] = []
    with drawing_from(lambda: 2.0):
        with drawing_from(lambda: 3.0):
            assert chance() == 3.0
        assert chance() == 2.0
        thread = Thread(target=lambda: elsewhere.append(chance()))
        thread.start()
        thread.join()
    assert 0.0 <= elsewhere[0] < 1.0
    assert 0.0 <= chance() < 1.0


def test_nothing_else_in_the_engine_draws() -> None:
    """A part that drew from `random` itself would make simulations unrepeatable; it calls `chance()` instead."""
    core = Path(scrollintel.core.__file__).parent
    drawing = [path.name for path in core.rglob("*.py") if "import random" in path.read_text("utf-8")]
    drawing += [path.name for path in core.rglob("*.py") if "from random import" in path.read_text("utf-8")]
    assert drawing == ["chance.py"]
