"""The verbs that read policies: check, explain, catalogue, policy."""
