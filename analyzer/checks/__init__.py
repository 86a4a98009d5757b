"""Rules, and what they say about specs and databases."""
