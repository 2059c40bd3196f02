"""Why circuits, limits, queues and budgets are as they are, in plain sentences."""
