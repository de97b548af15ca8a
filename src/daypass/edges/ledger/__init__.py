"""The ledger on its branch: signed, chained, and remembered beside the clone."""
