"""What pages show, kept up to date: facts in batches, and state as it is by the time of each message."""
