"""Recovery strategies that ship."""
