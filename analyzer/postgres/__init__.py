"""What PostgreSQL is, without a snapshot: its tokens, names, pages, access methods, versions."""
