"""The cases that all requests fall into: how they differ as far as conditions and limits can tell."""
