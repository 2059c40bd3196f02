"""Telling people: what happened, through which channels, without ever holding up who tells it."""
