"""One module a use case: a snapshot and specs in, a document out; what commands, the demo and any later door call.

`capture` reads a database; `propose`, `report` and `whatif` ask the advisor; `lint` and `check` examine specs; `revise`
writes a revision; `verify` measures a deploy. `advice` puts what the advisor says into documents, `declared` tells it
what the specs say. None of them prints, parses options or picks a format.
"""
