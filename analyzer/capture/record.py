"""What every record of the snapshot is."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of the snapshot; unknown fields are an error, so that a typo cannot pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")
