"""Schema objects as values, each with an identity, a canonical form and its DDL: `index` and `statistics`.

What takes either is written for `Definition`, of which both are.
"""
