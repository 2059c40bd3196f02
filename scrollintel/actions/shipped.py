"""Loads the kinds of strategies that ship."""

from __future__ import annotations


def load() -> None:
    """Register them, once."""
