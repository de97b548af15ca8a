"""The systems that hold entitlements: one file a target, one visible table."""
