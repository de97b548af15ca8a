"""How fast daypass is against what git and Python need for the same: ``python -m benchmarks``."""
