"""Just-in-time access as pull requests, policy as code."""

__version__ = "0.1.0"
