"""Captured statistics and sizes, written into the twin by `inflate`: `column_statistics`, `extended_statistics`, and
`relation_files` (file sizes, and the metapages that say how high a btree is).
"""
