"""Setting a repository up at GitHub: each step of `daypass setup`."""
