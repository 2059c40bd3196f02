"""One link at run time: a machine with its lock, clock and events; neither sync nor async."""
