"""Schema objects as values, each with an identity, a canonical form and its DDL."""
