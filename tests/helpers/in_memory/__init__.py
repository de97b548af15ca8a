"""The ports in memory: a repository, its forge and its ledger without git, held to the suites of the real ones."""
