"""Files: from bytes to documents and grants, and back to text."""
