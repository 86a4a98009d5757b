"""Which servers are refused before anything is asked of them."""

import pytest

from analyzer.db import check_version
from analyzer.errors import CapabilityError


def test_a_server_before_14_is_refused_in_one_line() -> None:
    check_version(140_000, "postgresql://db.example/app")
    older = r"^PostgreSQL 14 or newer is required, but db\.example.* is PostgreSQL 13"
    with pytest.raises(CapabilityError, match=older):
        check_version(130_014, "postgresql://db.example/app")
