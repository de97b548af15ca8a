"""Conditions in CEL: the words they may use, compiling them with exact places, evaluating them without surprises."""
