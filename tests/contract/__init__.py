"""GitHub's own description of its API, held against every exchange that a test has with the double.

`description` brings the description and recorded answers here; `schemas` turns its parts into validators; `contract`
judges one exchange.
"""
