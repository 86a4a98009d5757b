"""Read a server once, in read-only transactions, into a snapshot.

`capture` conducts: `catalog`, `relations`, `indexes`, `statistics`, `extended`, `samples`, `statements` each read one
part; `guard` and `user_code` keep a reader from running code of the database's users; `without_values` removes
literals; `replicas` adds the counters of standbys.
"""
