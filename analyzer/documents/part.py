"""What every record of the snapshot is."""

from typing import Self

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of the snapshot; unknown fields are an error, so that a typo cannot pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __copy__(self) -> Self:
        """Copy the fields alone: what was looked up in them may not hold for a copy with others."""
        copied = super().__copy__()
        held = vars(copied)
        for name in held.keys() - type(self).model_fields.keys():
            del held[name]
        return copied
