"""The in-process fault-tolerance engine; standard library only."""
