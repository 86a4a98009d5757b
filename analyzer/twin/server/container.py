"""Run a throw-away server from a Docker image, through testcontainers.

A core install has no testcontainers; without it, or without an engine that answers, there are no containers.
"""

import contextlib
import importlib
import importlib.util
import os
import secrets
import socket
import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analyzer.db import Connection
from analyzer.errors import CapabilityError
from analyzer.sql import render
from analyzer.twin.server.connection import connect_own
from analyzer.twin.server.file_access import ServerStorage, Storage

_PORT = 5432
_USER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A running server in a container."""

    host: str
    port: int
    #: The superuser's, and that of the roles without rights: whoever has one cannot become the other.
    password: str
    other_password: str
    #: A directory of ours for copies of its files.
    scratch: Path
    #: Which cluster it is, as pg_controldata printed inside the container.
    identifier: int
    #: Such as "15.18".
    version: str = ""

    @contextlib.contextmanager
    def connect(self, database: str = "postgres", *, user: str | None = None) -> Generator[Connection]:
        """Connect to this very server, in autocommit; raises UnreachableError where another one answers."""
        address = {"host": self.host, "port": str(self.port), "user": user or _USER, "dbname": database}
        address["password"] = self.other_password if user is not None else self.password
        with connect_own(address, self.identifier) as connection:
            yield connection

    def password_of(self, role: str) -> str | None:
        """Return the password that a role of ours is to have."""
        return self.other_password

    @property
    def exposure(self) -> str | None:
        """Return None: the engine contains it."""
        return None

    def storage(self, connection: Connection) -> Storage:
        """Return the way to its files; the connection is a superuser's."""
        return ServerStorage(connection, self.scratch)


def local_image(major: int, extensions: frozenset[str]) -> str | None:
    """Return an image of that major version that the engine has already; None too where no engine answers.

    Nothing is downloaded unasked.
    """
    if not _is_installed() or not _answers():
        return None
    image = f"pgvector/pgvector:pg{major}" if "vector" in extensions else f"postgres:{major}"
    docker = importlib.import_module("docker")
    try:
        with contextlib.closing(docker.from_env(timeout=2)) as engine:
            engine.images.get(image)
    except docker.errors.DockerException:
        return None
    return image


@contextlib.contextmanager
def run(image: str, *, settings: Mapping[str, str]) -> Generator[Container]:
    """Run a server of an image, which is fetched where the engine lacks it, and remove it when the block ends.

    Raises CapabilityError when that cannot be done.
    """
    need, remedy = f"a server from the image {image}", "start a Docker engine, or omit --twin-image"
    if not _is_installed():
        raise CapabilityError(
            need=need, found="testcontainers is not installed", remedy="pip install 'twindex[docker]'"
        )
    if not _answers():
        raise CapabilityError(need=need, found="no Docker engine answers", remedy=remedy)
    docker = importlib.import_module("docker")
    password = secrets.token_urlsafe(16)
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(_container(image, password, settings))
        except (docker.errors.DockerException, TimeoutError) as error:
            said = " ".join(str(error).split())
            raise CapabilityError(need=need, found=f"it is not available ({said})", remedy=remedy) from None
        running = Container(
            host=str(container.get_container_host_ip()),
            port=int(container.get_exposed_port(_PORT)),
            password=password,
            other_password=secrets.token_urlsafe(16),
            identifier=_identifier(container),
            scratch=Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="twindex-"))),
        )
        with running.connect() as connection:
            found = connection.execute(render("twin/describe_server")).fetchone() or {}
        if found["checksums"]:
            remedy = "use an official image such as postgres:17 with --twin-image"
            raise CapabilityError(
                need=need, found="its cluster has data checksums, which twindex does not write", remedy=remedy
            )
        yield replace(running, version=str(found["version"]))


def _is_installed() -> bool:
    return importlib.util.find_spec("testcontainers") is not None and importlib.util.find_spec("docker") is not None


def _answers() -> bool:
    """Say whether somebody listens where the engine should; asking a client for that leaves a socket open."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(host.removeprefix("unix://"))
        except OSError:
            return False
    return True


def _container(image: str, password: str, settings: Mapping[str, str]) -> Any:
    """Describe a container that starts when it is entered."""
    postgres = importlib.import_module("testcontainers.community.postgres").PostgresContainer
    container = postgres(image, username=_USER, password=password, dbname="postgres", driver=None)
    # initdb makes checksums by default since 18, and knows the option that forbids them since then.
    initdb = "--no-locale -E UTF8" + (" --no-data-checksums" if _major(container, image) >= 18 else "")
    command = ["postgres", *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))]
    return container.with_env("POSTGRES_INITDB_ARGS", initdb).with_command(command)


def _identifier(container: Any) -> int:
    """Read which cluster a container runs, from inside it."""
    answer = container.exec(["sh", "-c", 'pg_controldata "$PGDATA"'])
    for line in bytes(answer.output).decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "Database system identifier":
            return int(value)
    raise CapabilityError(
        need="a server whose cluster can be identified",
        found="pg_controldata in the container does not print its system identifier",
        remedy="use an official image such as postgres:17 with --twin-image",
    )


def _major(container: Any, image: str) -> int:
    """Read the major version an official image says it has; 0 where it does not."""
    images = container.get_docker_client().client.images
    docker = importlib.import_module("docker")
    try:
        found = images.get(image)
    except docker.errors.ImageNotFound:
        found = images.pull(image)
    variables: list[str] = found.attrs["Config"]["Env"] or []
    majors = [entry.partition("=")[2] for entry in variables if entry.startswith("PG_MAJOR=")]
    return int(majors[0]) if majors and majors[0].isdigit() else 0
