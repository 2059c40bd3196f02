"""Durable execution of recoveries, on DBOS Transact."""
