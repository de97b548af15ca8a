"""Applying: what main says becomes so at the targets."""
