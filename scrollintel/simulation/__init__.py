"""Simulates policies in virtual time: the real pipelines against modelled services, repeatable to the byte."""

from .clock import VirtualClock
from .examples import EXAMPLES, example, load_scenario
from .loop import VirtualLoop
from .report import Bucket, Report, Run
from .run import simulate
from .scenario import Scenario, scenario_of

__all__ = [
    "EXAMPLES",
    "Bucket",
    "Report",
    "Run",
    "Scenario",
    "VirtualClock",
    "VirtualLoop",
    "example",
    "load_scenario",
    "scenario_of",
    "simulate",
]
