"""The dashboard in the terminal: overview, circuits and incidents, live. Talks to the REST API only."""
