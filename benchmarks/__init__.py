"""What a protected call costs, measured beside other libraries in one process: `python -m benchmarks`."""
