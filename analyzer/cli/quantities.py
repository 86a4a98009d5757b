"""Quantities as options take them."""

import re
from typing import Any

import click

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|TB)?", re.IGNORECASE)
_UNITS = {"b": 0, "kb": 1, "mb": 2, "gb": 3, "tb": 4}
_PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%")


class Size(click.ParamType[int]):
    """A size in PostgreSQL's units: 512MB, 2GB (1 kB = 1024 bytes)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Turn the text into bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a size; give one such as 512MB or 2GB", param, ctx)
        return int(float(match[1]) * 1024 ** _UNITS[(match[2] or "B").lower()])


class Share(click.ParamType[float]):
    """A share of a whole: 0.5%."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Turn the text into a number from 0 to 1."""
        if isinstance(value, float):
            return value
        match = _PERCENT.fullmatch(str(value).strip())
        share = float(match[1]) / 100 if match is not None else 2.0
        if share > 1:
            self.fail(f"{value!r} is not a share; give one from 0% to 100%, such as 0.5%", param, ctx)
        return share
