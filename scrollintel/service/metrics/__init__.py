"""What the control plane tells Prometheus, read from memory when it is asked."""
