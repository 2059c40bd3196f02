"""Use cases of the control plane: what an API route, the command line and the background loops ask for."""
