"""Alerts of the platform itself: what is gathered, what people are told, and silences."""
