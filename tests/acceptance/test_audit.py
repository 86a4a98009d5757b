"""No release that the lock pins has a known vulnerability; where no service answers, that is said."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.vulnerabilities import audit, read

pytestmark = pytest.mark.slow

LOCK = (Path(__file__).parents[2] / "locks" / "dev.txt").read_text()

#: Vulnerabilities that do not concern us, by identifier, and why; an entry goes when the fixed release is pinned.
ACCEPTED: dict[str, str] = {}

SMALL = "numpy==2.4.6 ; python_full_version < '3.12'\nnumpy==2.5.5 ; python_full_version >= '3.12'\nmako==1.4.3\n"


def test_no_pinned_release_has_a_known_vulnerability() -> None:
    found = audit(LOCK, *(f"--ignore-vuln={each}" for each in ACCEPTED))
    if found.unavailable is not None:
        pytest.skip(f"NOT EXAMINED, no service for vulnerabilities answers here: {found.unavailable}")
    assert found.vulnerable == ()
    assert found.not_examined == ()


@contextmanager
def osv(answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]) -> Generator[tuple[str, ...]]:
    """Serve OSV's interface, and yield the options that make pip-audit ask there."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, document = answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield "-s", "osv", f"--osv-url=http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_a_vulnerability_of_any_python_s_release_is_found() -> None:
    def answer(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if (asked["package"]["name"], asked["version"]) != ("numpy", "2.5.5"):
            return 200, {}
        affected = {"package": asked["package"], "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "2.5.6"}]}]}
        return 200, {"vulns": [{"id": "PYSEC-1", "summary": "bad", "affected": [affected]}]}

    with osv(answer) as options:
        found = audit(SMALL, *options)
    assert found.unavailable is None
    assert [each.split(",")[0] for each in found.vulnerable] == ["numpy 2.5.5: PYSEC-1"]


def test_none_is_known_of() -> None:
    with osv(lambda _: (200, {})) as options:
        found = audit(SMALL, *options)
    assert (found.unavailable, found.vulnerable, found.not_examined) == (None, (), ())


def test_a_service_that_fails_has_examined_nothing() -> None:
    with osv(lambda _: (503, {})) as options:
        assert audit(SMALL, *options).unavailable
    assert audit(SMALL, *options).unavailable  # it has ended by now


def test_a_registry_without_vulnerabilities_has_examined_nothing() -> None:
    skipped = {"name": "numpy", "skip_reason": "not found on PyPI"}
    assert read([json.dumps({"dependencies": [skipped]})]).unavailable
    known: dict[str, Any] = {"name": "mako", "version": "1.4.3", "vulns": []}
    assert read([json.dumps({"dependencies": [skipped, known]})]).not_examined == ("numpy: not found on PyPI",)
