"""Asking: requests, forms, comments, imports and ends become pull requests."""
