"""What is likely not meant in valid policies, and the most that one call may cost."""
