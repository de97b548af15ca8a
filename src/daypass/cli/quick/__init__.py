"""Questions that are answered at once: neither click nor any verb is loaded for them."""
