"""Policies looked at as a whole: tried by examples and samples, compared, and asked what they let whom ask for."""
