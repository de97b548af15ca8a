"""Answers from git and the ledger alone."""
