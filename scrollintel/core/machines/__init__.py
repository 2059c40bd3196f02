"""Pure rules: plain data plus methods that take `now`; no clock, lock, randomness or I/O."""
