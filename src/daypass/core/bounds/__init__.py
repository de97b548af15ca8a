"""What bounds access, whatever rules say: the settings' limits, the terms of vendors, and being outside of either."""
