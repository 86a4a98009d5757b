"""Wire records: the snapshot and what the commands print, as pydantic models with committed schemas.

A record says what stands in a file; nothing here is computed but what is read off the fields.
"""
