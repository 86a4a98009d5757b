"""Servers of our own: chosen, started, contained, connected to, and their files edited.

`choose` picks the server a twin is built on; `cluster` and `container` run it, `postmaster` starts and stops the
process, `containment` and `sandbox` hold it; `directories` makes private directories, `kept_clusters` notes clusters
that outlive a command; `connection` is the only way in, `sessions` and `roles` what a twin's sessions are;
`file_access` edits relation files through `file_editor`, a process without rights, with the page layouts of
`relation_pages` (metapages of btree, BRIN and GIN).
"""
