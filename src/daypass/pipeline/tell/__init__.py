"""What became of requests after their merge, gathered to be told; nothing is decided and nothing waits for it."""
