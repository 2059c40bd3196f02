"""What the control plane does in a second, beside a bare FastAPI route in the same run."""
