"""Simulates policies in virtual time: the real pipelines against modelled services, repeatable to the byte."""

from .clock import VirtualClock
from .examples import EXAMPLES, example, load_scenario
from .expectation import Expectation, Shortfall, shortfalls
from .loop import VirtualLoop
from .many import simulate_many
from .recorder import Recording, record
from .recording import Recorded, RecordedOutcome, load_recording, recording_of
from .replay import Replay, ReplayBucket, replay
from .report import Bucket, Report, Run
from .run import simulate
from .scenario import Scenario, scenario_of

__all__ = [
    "EXAMPLES",
    "Bucket",
    "Expectation",
    "Recorded",
    "RecordedOutcome",
    "Recording",
    "Replay",
    "ReplayBucket",
    "Report",
    "Run",
    "Scenario",
    "Shortfall",
    "VirtualClock",
    "VirtualLoop",
    "example",
    "load_recording",
    "load_scenario",
    "record",
    "recording_of",
    "replay",
    "scenario_of",
    "shortfalls",
    "simulate",
    "simulate_many",
]
