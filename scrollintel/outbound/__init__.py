"""Requests to addresses that a configuration names: allow-listed, resolved once, pinned, bounded."""
