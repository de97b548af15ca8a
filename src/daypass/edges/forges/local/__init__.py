"""The forge that is the repository itself: records in its refs, shared between clones by git alone."""
