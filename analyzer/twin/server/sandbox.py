"""Start a confined program: a standalone script that drops privileges, restricts itself and executes it.

`python -I -S sandbox.py SPEC` with a Spec as JSON. It stands alone, on the standard library, so that it starts in
milliseconds and needs nothing that an unprivileged account could not read.

Landlock (Linux 5.13) decides which files can be opened and executed; a seccomp filter refuses to connect anywhere, by
TCP, UDP or a local socket, which Landlock cannot. Neither needs a privilege, and neither can be taken off again.
"""

import ctypes
import dataclasses
import json
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator, Sequence

# include/uapi/linux/landlock.h; the numbers of its system calls are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_ASK_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 9
_REFER, _TRUNCATE = 1 << 13, 1 << 14
#: By version of the interface: how many kinds of access to files it can refuse.
_FILE_ACCESSES = {1: 13, 2: 14, 3: 15, 4: 15}
_NEWEST_FILE_ACCESSES = 16
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
_READ = _READ_FILE | _READ_DIR
#: No links, devices or pipes are made.
_OWN = _READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _REFER
_NET, _SCOPED = 0b11, 0b11

# include/uapi/linux/{prctl,seccomp,audit,filter}.h.
_SET_NO_NEW_PRIVS, _SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_EPERM, _EAFNOSUPPORT = 1, 97
_AF_UNIX = 1
#: Numbers of the x32 interface begin here.
_X32 = 0x40000000


@dataclasses.dataclass(frozen=True, slots=True)
class Calls:
    """One architecture's numbers of the system calls that are refused."""

    architecture: int
    #: Refused whatever their arguments: connect, sendmsg, sendmmsg, ptrace, process_vm_readv and _writev,
    #: io_uring_setup, bpf, userfaultfd, and the ways to other name spaces.
    refused: tuple[int, ...]
    socket: int
    #: Refused with an address.
    sendto: int


_CALLS = {
    "x86_64": Calls(0xC000003E, (42, 46, 307, 101, 310, 311, 425, 321, 323, 272, 308, 165), 41, 44),
    "aarch64": Calls(0xC00000B7, (203, 211, 269, 117, 270, 271, 425, 280, 282, 97, 268, 40), 198, 206),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The program to start, and its permissions."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    #: User and group to become, root's privileges given up; None to stay who we are.
    account: tuple[int, int] | None = None
    #: Whether the kernel contains it; without, the four tuples mean nothing.
    contained: bool = False
    own: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    writable_files: tuple[str, ...] = ()
    executable: tuple[str, ...] = ()
    #: Print the process's number, and leave it alone in a session of its own.
    detached: bool = False


def landlock_version() -> int:
    """Return the version of Landlock's interface; 0 where the kernel has none, or does not let us use it."""
    return max(0, _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def restrict(spec: Spec) -> None:
    """Close everything to this process, and to all it will ever start, but what a spec admits; raises OSError."""
    libc = _libc()
    _checked(libc.prctl(_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))
    _restrict_files(libc, spec)
    if (calls := _CALLS.get(platform.machine())) is not None:
        _filter_calls(libc, calls)


def _restrict_files(libc: ctypes.CDLL, spec: Spec) -> None:
    version = landlock_version()
    handled = (1 << _FILE_ACCESSES.get(version, _NEWEST_FILE_ACCESSES)) - 1
    attributes = struct.pack("=QQQ", handled, _NET, _SCOPED)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))
    for paths, access in (
        (spec.own, _OWN),
        (spec.readable, _READ),
        (spec.writable_files, _READ_FILE | _WRITE_FILE),
        (spec.executable, _READ_FILE | _EXECUTE),
    ):
        for path in paths:
            _admit(libc, ruleset, path, access & handled)
    _checked(libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    os.close(ruleset)


def _admit(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 - without pathlib's start
        access &= _ON_FILES
    rule = struct.pack("=Qi", access, descriptor)
    _checked(libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)))
    os.close(descriptor)


def _filter_calls(libc: ctypes.CDLL, calls: Calls) -> None:
    code = b"".join(_program(calls))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    filtered = (ctypes.c_ulong(_SECCOMP_FILTER), program, ctypes.c_ulong(0), ctypes.c_ulong(0))
    _checked(libc.prctl(_SET_SECCOMP, *filtered))


def _program(calls: Calls) -> Iterator[bytes]:
    """Yield a filter's instructions; a jump counts those it skips."""
    yield _instruction(_LOAD, _ARCHITECTURE_AT)
    yield _instruction(_EQUAL, calls.architecture, if_true=1)
    yield _instruction(_RETURN, _ERRNO | _EPERM)
    yield _instruction(_LOAD, _NUMBER_AT)
    if calls is _CALLS["x86_64"]:
        yield _instruction(_AT_LEAST, _X32, if_false=1)
        yield _instruction(_RETURN, _ERRNO | _EPERM)
    for number in calls.refused:
        yield _instruction(_EQUAL, number, if_false=1)
        yield _instruction(_RETURN, _ERRNO | _EPERM)
    yield _instruction(_EQUAL, calls.socket, if_false=4)
    yield _instruction(_LOAD, _ARGUMENTS_AT)
    yield _instruction(_EQUAL, _AF_UNIX, if_true=1)
    yield _instruction(_RETURN, _ERRNO | _EAFNOSUPPORT)
    yield _instruction(_RETURN, _ALLOW)
    # The address, a pointer, is the fifth argument; its halves are compared on their own.
    yield _instruction(_EQUAL, calls.sendto, if_false=5)
    yield _instruction(_LOAD, _ARGUMENTS_AT + 4 * 8)
    yield _instruction(_EQUAL, 0, if_false=2)
    yield _instruction(_LOAD, _ARGUMENTS_AT + 4 * 8 + 4)
    yield _instruction(_EQUAL, 0, if_true=1)
    yield _instruction(_RETURN, _ERRNO | _EPERM)
    yield _instruction(_RETURN, _ALLOW)


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def become(account: tuple[int, int] | None) -> None:
    """Drop root's privileges irrevocably."""
    if account is not None:
        os.setgroups([])
        os.setresgid(account[1], account[1], account[1])
        os.setresuid(account[0], account[0], account[0])


def prepare(spec: Spec) -> None:
    """Make of this process what a spec says; all that is left to do is to execute its program. Raises OSError."""
    if spec.detached:
        _detach()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    become(spec.account)
    os.chdir(spec.directory)
    os.umask(0o077)
    if spec.contained:
        restrict(spec)


def _detach() -> None:
    """Continue as a detached process; the original one prints its process ID and exits."""
    if (number := os.fork()) != 0:
        os.write(1, b"%d\n" % number)
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)


def main(arguments: Sequence[str]) -> None:
    """Become the program of a spec."""
    spec = Spec(**json.loads(arguments[0]))
    try:
        prepare(spec)
        os.execve(spec.arguments[0], spec.arguments, spec.environment)  # noqa: S606 - without a shell
    except OSError as error:
        os.write(2, os.fsencode(f"error: {spec.arguments[0]} cannot be started: {error}\n"))
        os._exit(126)


if __name__ == "__main__":
    main(sys.argv[1:])
