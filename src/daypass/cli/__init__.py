"""The command line: the only place that knows the clock, the environment and how to exit."""
