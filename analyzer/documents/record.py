"""What every part of a document has in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of a document."""

    model_config = ConfigDict(frozen=True)


def ratio(before: float | None, after: float | None) -> float | None:
    """Return how many times less it became; None when that cannot be said."""
    return before / after if before is not None and after else None
