"""Wire records: the snapshot and what the commands print, as pydantic models with committed schemas.

A record says what stands in a file; nothing here is computed but what is read off the fields.

- `record` and `not_examined` are what all documents share, `provenance` what those have that rest on a snapshot.
- `proposals`, `whatif`, `report` (with `verification`) and `findings` are one document each; `schema` lists them.
- `snapshot` is the captured file: its parts are in `described` and `measured`, their limits in `bounds`, and
  `admission` and `bounded_file` read a file that anybody may have written.
"""
