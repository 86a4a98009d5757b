"""One module a use case: snapshot and specs in, document out; what commands, the demo and any later door call."""
