"""Conditions in CEL: the words they may use, compiling them with exact places, and evaluating them without surprises."""
