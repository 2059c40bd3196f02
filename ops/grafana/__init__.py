"""Dashboards of Grafana, made from descriptions in Python."""
