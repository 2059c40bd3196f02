"""One module of routes for each resource; `fault_tolerance_routes` assembles them."""
