"""Canaries: a directory that all can write, a port with a second cluster behind it, a secret in the environment."""

import contextlib
import os
import re
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.db import connect
from analyzer.twin.server import cluster

#: In the environment of everything that is run, as variables that a CI system sets are.
SECRET = "canary-secret-e3b0c442"
SECRETS = dict.fromkeys(("APP_DATABASE_URL", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"), SECRET)
_BAIT = ".bait"
_STARTING = re.compile(rb"application_name\0([^\0]*)\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One canary that sang: which place, and how."""

    place: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """Where they sing."""

    directory: Path
    port: int
    #: URL of the cluster behind the port.
    second: str
    heard: list[Song] = field(default_factory=list[Song])

    def placed(self, text: str) -> str:
        """Tell a text where to sing."""
        return text.replace("{directory}", str(self.directory)).replace("{port}", str(self.port))

    def songs(self) -> frozenset[Song]:
        """Return all that sang since they were silenced."""
        files = {Song(place=path.stem, how=path.suffix) for path in self.directory.iterdir() if path.suffix != _BAIT}
        read = {path for path in self.directory.glob(f"*{_BAIT}") if path.stat().st_atime_ns != 0}
        files |= {Song(place=path.stem, how="read") for path in read}
        with connect(self.second, autocommit=True) as connection:
            rows = connection.execute("SELECT DISTINCT place FROM songs").fetchall()
        return frozenset(files | set(self.heard) | {Song(place=row["place"], how="second database") for row in rows})

    def places(self) -> frozenset[str]:
        """Return the places that sang."""
        return frozenset(song.place for song in self.songs())

    def leaks(self) -> bool:
        """Say whether a file holds what was only in the environment."""
        return any(SECRET in path.read_text(errors="replace") for path in self.directory.iterdir())

    def lay_bait(self, place: str) -> None:
        """Lay a file whose time of access tells that it was read."""
        path = self.directory / f"{place}{_BAIT}"
        path.write_text("1")
        path.chmod(0o644)

    def silence(self) -> None:
        """Forget what sang so far."""
        for path in self.directory.iterdir():
            if path.suffix == _BAIT:
                os.utime(path, ns=(0, time.time_ns()))
            else:
                path.unlink()
        self.heard.clear()
        with connect(self.second, autocommit=True) as connection:
            connection.execute("TRUNCATE songs")


@contextlib.contextmanager
def canaries() -> Generator[Canaries]:
    """Set canaries up and remove them when the block ends."""
    directory = Path(tempfile.mkdtemp(prefix="cn", dir="/tmp"))
    directory.chmod(0o777)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        second = stack.enter_context(cluster.temporary(settings={"fsync": "off"}))
        with connect(second.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE songs (place text)")
        listening = stack.enter_context(contextlib.closing(socket.create_server(("127.0.0.1", 0))))
        made = Canaries(directory=directory, port=listening.getsockname()[1], second=second.url())
        address = str(second.socket_dir / ".s.PGSQL.5432")
        threading.Thread(target=_serve, args=(listening, address, made.heard), daemon=True).start()
        yield made


def _serve(listening: socket.socket, address: str, heard: list[Song]) -> None:
    with contextlib.suppress(OSError):
        while True:
            connected, _ = listening.accept()
            threading.Thread(target=_forward, args=(connected, address, heard), daemon=True).start()


def _forward(connected: socket.socket, address: str, heard: list[Song]) -> None:
    """Note who connects, and let it speak with the second cluster."""
    with connected, contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as behind:
        first = connected.recv(4096)
        named = _STARTING.search(first)
        place = (
            named[1]
            if named is not None
            else first.strip()
            if first.strip().replace(b"_", b"").isalnum()
            else b"unknown"
        )
        heard.append(Song(place=place.decode(errors="replace"), how="connection"))
        behind.connect(address)
        behind.sendall(first)
        back = threading.Thread(target=_copy, args=(behind, connected), daemon=True)
        back.start()
        _copy(connected, behind)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
