"""What is unsafe in how a repository is set up at GitHub."""
