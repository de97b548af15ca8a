"""Who may approve a request, and whether what they said is enough."""
