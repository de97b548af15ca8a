"""Taking an access repository to GitHub: its workflows, and what `init --github` changes."""
