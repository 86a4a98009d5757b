"""By what statements are weighed, and so what every share of a document is a share of."""

from typing import Literal

#: Blocks are those of shared buffers, hit or read.
Weight = Literal["time", "calls", "blocks"]
