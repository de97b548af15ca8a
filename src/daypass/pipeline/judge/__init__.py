"""Judging: what a pull request proposes, and whether it may be merged."""
