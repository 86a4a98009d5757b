"""Ask a service which known vulnerabilities the pinned releases have, and tell "none" from "not examined"."""

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_ENTRY = re.compile(r"^([a-z0-9-]+)==([^\s;]+)", re.MULTILINE)
#: How pip-audit ends when its service does not answer, or answers with an error of its own.
_NO_ANSWER = re.compile(
    r"^(requests\.exceptions\.|pip_audit\._service\.interface\.|ERROR:.*vulnerability feed).*", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is known of the pins of a lock."""

    vulnerable: tuple[str, ...] = ()
    #: What the service does not know, with its reason.
    not_examined: tuple[str, ...] = ()
    #: Why nothing at all could be examined.
    unavailable: str | None = None


def audit(lock: str, *options: str) -> Audit:
    """Audit every pin, for whichever Python it is; `options` are pip-audit's."""
    documents: list[str] = []
    for pins in _passes(lock):
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "requirements.txt"
            file.write_text("".join(f"{name}=={version}\n" for name, version in pins))
            done = subprocess.run(
                [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off",
                 "--format", "json", *options, "-r", file],
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
        if not done.stdout.startswith("{"):
            said = [each[0] for each in _NO_ANSWER.finditer(done.stderr)]
            assert said, done.stderr
            return Audit(unavailable=said[-1])
        documents.append(done.stdout)
    return read(documents)


def read(documents: list[str]) -> Audit:
    """Read pip-audit's documents; when it could examine nothing, it still says that it found nothing."""
    found = [each for document in documents for each in json.loads(document)["dependencies"]]
    skipped = tuple(f"{each['name']}: {each['skip_reason']}" for each in found if "skip_reason" in each)
    if len(skipped) == len(found):
        return Audit(
            unavailable=f"the service knows none of {len(found)} releases ({skipped[0] if skipped else 'none'})"
        )
    vulnerable = tuple(
        f"{each['name']} {each['version']}: {known['id']}, fixed in {known['fix_versions'] or 'no release'}"
        for each in found
        for known in each.get("vulns", ())
    )
    return Audit(vulnerable=vulnerable, not_examined=skipped)


def _passes(lock: str) -> list[list[tuple[str, str]]]:
    """Split the pins so that no list has a name twice, as a lock has where Python's version decides."""
    passes: list[list[tuple[str, str]]] = []
    seen: Counter[str] = Counter()
    for name, version in _ENTRY.findall(lock):
        if seen[name] == len(passes):
            passes.append([])
        passes[seen[name]].append((name, version))
        seen[name] += 1
    return passes
