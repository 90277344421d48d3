"""The ledger: what was done and found, in SQLite; resume point and source of explain and forget."""
