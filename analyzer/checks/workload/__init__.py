"""What a server recorded: its statements, and the counters over all of them."""
