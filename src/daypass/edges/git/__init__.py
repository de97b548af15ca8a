"""A real git repository: its objects, refs and history, and the ledger on its own branch."""
