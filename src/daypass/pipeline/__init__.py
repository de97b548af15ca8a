"""The verbs as functions: (inputs, ports, *, at) -> result."""
