"""The kinds of checks that ship, one file each."""
