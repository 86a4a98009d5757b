"""Traps for what `check --health` says: a file each, with what is to be found."""
