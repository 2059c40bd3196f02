"""The REST API: schemas, routes, problem documents and the event stream."""
