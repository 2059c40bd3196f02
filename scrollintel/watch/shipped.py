"""Loads the kinds of checks that ship."""

from __future__ import annotations


def load() -> None:
    """Register them, once."""
