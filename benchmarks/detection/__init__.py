"""How fast failures are noticed, and how often wrongly."""
