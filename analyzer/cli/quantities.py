"""Quantities as options take them."""

import re
from typing import Any

import click

from analyzer.amounts import parse_size

_PERCENT = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%")


class Size(click.ParamType[int]):
    """A size in PostgreSQL's units: 512MB, 2GB (1 kB = 1024 bytes)."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Turn the text into bytes."""
        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


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
