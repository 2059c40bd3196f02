"""The database behind the control plane: one writer, records in memory, history queried where it lies."""
