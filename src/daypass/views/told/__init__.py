"""What people are told of a request's whole life, in the same words wherever it is shown."""
