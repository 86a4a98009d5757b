"""What a database holds and counted: its indexes, its tables."""
