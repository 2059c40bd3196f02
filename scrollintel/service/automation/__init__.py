"""Automated recovery: from a declared failure to proven health, with the whole story on record."""
