"""Edit the files of a server's relations in a process that has no right but to those files.

`python -I -S file_editor.py SANDBOX FILES SPEC`: paths of two modules, which an import could not find here, and a Spec
of sandbox as JSON, whose directory is the data directory. A line on stdin is a list of edits, a line on stdout what
came of it: "" or an error.
"""

import importlib.util
import json
import os
import sys
from types import ModuleType
from typing import Any


def _load(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(arguments: list[str]) -> None:
    """Serve until stdin ends."""
    sandbox, files = _load("sandbox", arguments[0]), _load("files", arguments[1])
    spec = sandbox.Spec(**json.loads(arguments[2]))
    sandbox.become(spec.account)
    directory = os.open(spec.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.umask(0o077)
    if spec.contained:
        sandbox.restrict(spec)
    for line in sys.stdin:
        print(json.dumps(_answer(files, directory, json.loads(line))), flush=True)


def _answer(files: ModuleType, directory: int, edits: list[dict[str, Any]]) -> str:
    for edit in edits:
        try:
            files.edit_relation(directory, files.Edit(**edit))
        except (OSError, ValueError) as error:
            return f"{edit['path']}: {error}"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
