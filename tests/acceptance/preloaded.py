"""Run twindex in forks of a process that has imported it: the imports are most of what a short command takes.

Its argument is the directory where the clusters of all commands have their templates. A request is a datagram on
descriptor 0 with three descriptors, which become the command's standard streams. The answer is the exit status. Each
command is a process of its own, which ends as Python ends.
"""

import gc
import importlib
import io
import json
import os
import socket
import sys
import time
from pathlib import Path

from analyzer.cli import COMMANDS, main
from analyzer.twin.server import postmaster
from tests.templates import Templates

LARGEST_REQUEST = 1 << 17


def wait_for_request() -> bytes:
    """Answer requests until there is none; returns in the process that is to run one."""
    with socket.socket(fileno=os.dup(0)) as channel:
        while True:
            request, streams, _, _ = socket.recv_fds(channel, LARGEST_REQUEST, 3)
            if not request:
                sys.exit()
            child = os.fork()
            if not child:
                for target, stream in enumerate(streams):
                    os.dup2(stream, target)
            for stream in streams:
                os.close(stream)
            if not child:
                return request
            _, status = os.waitpid(child, 0)
            channel.send(str(os.waitstatus_to_exitcode(status)).encode())


def enter(arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
    """Make this process what `python -m analyzer` begins with."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv[1:] = arguments
    sys.path.insert(0, cwd)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, mode), errors=errors)  # noqa: PTH123, SIM115 - a descriptor
        for number, mode, errors in ((0, "rb", "strict"), (1, "wb", "strict"), (2, "wb", "backslashreplace"))
    )


if __name__ == "__main__":
    for module in COMMANDS.values():
        importlib.import_module(module)
    postmaster.initialise = Templates(Path(sys.argv[1])).initialise
    gc.freeze()  # or each fork would copy what the collector touches
    enter(**json.loads(wait_for_request()))
    main()
