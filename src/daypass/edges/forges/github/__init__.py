"""Everything that knows GitHub: its API, its pull requests and records, what is shown there, its settings and files."""
