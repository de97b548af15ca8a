"""What bounds access, whatever rules say: limits of the settings, purposes, terms of vendors, and being outside of these."""
