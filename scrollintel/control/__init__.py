"""The control plane's records and rules: plain data and decisions, without clock, lock, thread or I/O."""
