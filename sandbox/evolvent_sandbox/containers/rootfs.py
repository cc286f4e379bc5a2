"""Where the files of the sandbox's image come from: an image, a folder, debootstrap, or this interpreter."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from evolvent.errors import MissingPrerequisite, UsageError
from evolvent_sandbox.containers.engine import Engine, short
from evolvent_sandbox.interpreter import INSIDE, Interpreter, elf_loader, prepare_copy, running_interpreter
from evolvent_sandbox.staging import SandboxUser, Staging

__all__ = ["Entry", "from_debootstrap", "from_folder", "from_image", "from_interpreter"]

Entry = tuple[tarfile.TarInfo, IO[bytes] | None]
"""One member of a root file system, its name relative to the root, and its content where it is a file."""
SUITE = "stable"
DEBOOTSTRAP_SECONDS = 1800
LIBRARY_SECONDS = 30


def from_image(engine: Engine, name: str) -> Iterator[Entry]:
    """Yield the files of an image, fetched from its registry if the engine does not have it.

    Raises:
        MissingPrerequisite: it is not there and cannot be fetched.
        SandboxLost: the engine failed.
    """
    from docker.errors import DockerException, ImageNotFound
    from docker.utils import parse_repository_tag
    from requests.exceptions import RequestException

    with engine.transferring():
        try:
            engine.api.inspect_image(name)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            try:
                repository, tag = parse_repository_tag(name)
                engine.api.pull(repository, tag or "latest")
            except (DockerException, RequestException) as error:
                raise MissingPrerequisite(
                    f"the image {name!r} cannot be fetched: {short(error)}",
                    "evolvent sandbox build --from interpreter",
                ) from None
        with engine.asking("export an image") as api:
            container = api.create_container(name, ["true"])["Id"]
            try:
                with tarfile.open(fileobj=cast(IO[bytes], _Chunks(api.export(container))), mode="r|") as tar:
                    for member in tar:
                        yield member, tar.extractfile(member) if member.isreg() else None
            finally:
                api.remove_container(container, force=True, v=True)


class _Chunks:
    """A file to read from over an iterator of pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def from_folder(folder: Path) -> Iterator[Entry]:
    """Yield the files of a root file system in a folder.

    Raises:
        UsageError: it is no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{str(folder)!r} is no folder with a root file system")
    describer = tarfile.TarFile(fileobj=io.BytesIO(), mode="w")
    for top, folders, files in os.walk(folder):
        for name in sorted(folders + files):
            path = Path(top) / name
            yield from _member(describer.gettarinfo(str(path), str(path.relative_to(folder))), path)


def _member(member: tarfile.TarInfo | None, path: Path) -> Iterator[Entry]:
    if member is None:  # a socket
        return
    if member.islnk():  # of two names of one file, both come as files
        member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.stat().st_size
    if member.isreg():
        with path.open("rb") as file:
            yield member, file
    else:
        yield member, None


def from_debootstrap(folder: Path, mirror: str | None = None) -> Iterator[Entry]:
    """Yield the files of a minimal Debian with Python, made in an empty folder.

    Raises:
        MissingPrerequisite: debootstrap is missing, is not allowed, or cannot reach a mirror.
    """
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise MissingPrerequisite("debootstrap is not installed", "apt-get install debootstrap")
    if os.geteuid() != 0:
        raise MissingPrerequisite("debootstrap needs root", "sudo evolvent sandbox build --from debootstrap")
    command = [program, "--variant=minbase", "--include=python3", SUITE, str(folder)]
    if mirror:
        command.append(mirror)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=DEBOOTSTRAP_SECONDS, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("E:", "W:"))]
        raise MissingPrerequisite(
            f"debootstrap failed: {'; '.join(lines[-3:]) or f'exit code {done.returncode}'}",
            "evolvent sandbox build --from interpreter",
        )
    yield from from_folder(folder)


def from_interpreter(folder: Path) -> tuple[Iterator[Entry], list[str]]:
    """Return the files of the running interpreter with the libraries that it needs, and how to start it.

    Raises:
        MissingPrerequisite: there is no space, or the interpreter cannot be copied.
    """
    copy = prepare_copy(running_interpreter(), Staging(SandboxUser.current(), _made(folder / "copy")))
    root = _made(folder / "root")
    libraries = [library for library in copy.shared_libraries() if not library.is_symlink()]
    for source, inside in copy.binds:
        if source in copy.shared_libraries():
            continue
        target = root / str(inside).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
    for library in libraries:  # where its loader looks without being told
        (root / "usr/lib").mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, root / "usr/lib" / library.name)
    for library in sorted(_libraries(copy)):
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, target)
    return from_folder(root), [str(INSIDE / "bin" / copy.executable.name)]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _libraries(interpreter: Interpreter) -> set[Path]:
    """Return the dynamic loader and the libraries that it finds for the interpreter and its extension modules."""
    loader = elf_loader(interpreter.executable)
    found = {Path(loader)}
    modules = sorted((interpreter.stdlib / "lib-dynload").glob("*.so"))
    for program in (interpreter.executable, *modules):
        with contextlib.suppress(subprocess.SubprocessError):
            listed = subprocess.run(
                [loader, "--list", str(program)],
                capture_output=True,
                text=True,
                timeout=LIBRARY_SECONDS,
                env={},
            )
            words = [line.split() for line in listed.stdout.splitlines()]
            found |= {
                Path(line[2]) for line in words if len(line) > 2 and line[1] == "=>" and line[2] != "not"
            }
    inside = interpreter.prefix
    return {path for path in found if path.is_absolute() and inside not in path.parents}
