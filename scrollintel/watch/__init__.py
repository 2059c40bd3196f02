"""Looks at real services: checks, heartbeats, and the watcher that runs them."""
