"""Lives that are played from a seed, each held to the invariants of the design: `python -m simulation --seed N`.

`docs/development.md` says how lives, pairs and mutations are counted.
"""
