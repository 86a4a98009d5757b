"""Arrays as PostgreSQL prints them."""

import re

_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)', re.DOTALL)


def parse_array(text: str) -> tuple[str, ...]:
    """Parse a one-dimensional array as PostgreSQL prints it; NULL elements do not occur in statistics."""
    return tuple(
        re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) if match[1] is not None else match[2]
        for match in _ELEMENT.finditer(text.strip()[1:-1])
    )
