"""The SQL tables of the control plane; only storage imports them, everybody else sees records."""
