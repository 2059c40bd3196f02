"""Rules of Prometheus, their tests, and example configurations, made from descriptions in Python."""
