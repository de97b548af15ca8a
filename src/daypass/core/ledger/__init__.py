"""The record: receipts, their chain, and what they add up to."""
