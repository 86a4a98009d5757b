"""What every record on a wire is."""

from typing import Self

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of a document; a reader accepts fields it does not know."""

    model_config = ConfigDict(frozen=True)

    def __copy__(self) -> Self:
        """Copy the fields alone: what was looked up in them may not hold for a copy with others."""
        copied = super().__copy__()
        held = vars(copied)
        for name in held.keys() - type(self).model_fields.keys():
            del held[name]
        return copied


class SnapshotRecord(Record):
    """A frozen part of the snapshot; unknown fields are an error, so that a typo cannot pass."""

    model_config = ConfigDict(extra="forbid")


def ratio(before: float | None, after: float | None) -> float | None:
    """Return how many times less it became; None when that cannot be said."""
    return before / after if before is not None and after else None
