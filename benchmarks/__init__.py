"""Measured claims: run by hand, printed as Markdown, checked in under docs/benchmarks/."""
