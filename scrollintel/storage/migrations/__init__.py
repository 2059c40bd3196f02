"""Alembic migrations of the control plane's database; they travel with the package."""
