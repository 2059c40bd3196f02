"""What runs the links of a pipeline, once for plain functions and once for coroutines."""
