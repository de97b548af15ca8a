"""The embedded target: entitlements in a file beside the repository, for programs that ask."""
