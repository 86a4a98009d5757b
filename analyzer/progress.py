"""How a long job says what it is doing."""

from collections.abc import Callable

#: Called with each stage, such as "twin: schema".
Progress = Callable[[str], object]


def silent(_stage: str) -> None:
    """Say nothing."""
