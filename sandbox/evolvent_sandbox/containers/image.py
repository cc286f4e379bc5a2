"""Building the sandbox's image: a root file system, cleaned, with the guest's code in it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shlex
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evolvent.errors import EvolventError, MissingPrerequisite, SandboxLost, UsageError
from evolvent_sandbox.backend import GUEST_PACKAGE
from evolvent_sandbox.containers import rootfs
from evolvent_sandbox.containers.backend import (
    PACKAGES,
    PYTHON_LABEL,
    WORK,
    DockerSandbox,
    find_image,
    guest_hash,
)
from evolvent_sandbox.containers.engine import Engine
from evolvent_sandbox.containers.reaper import GUEST_LABEL

__all__ = ["SOURCES", "BuiltImage", "build_image"]

REPOSITORY = "evolvent-sandbox"
REGISTRY_IMAGE = "python:3.11-slim"
SOURCES = ("auto", "registry", "debootstrap", "interpreter")
DROPPED = re.compile(
    r"(proc|sys|dev)/.*|(run|tmp|work|boot|media|mnt|srv|home|root|var|opt/evolvent)(/.*)?"
    r"|usr/share/(doc|man|info|locale|bash-completion)/.*|etc/(shadow|gshadow|ssl|ssh|machine-id|hostname).*"
    r"|(.*/)?(site|dist)-packages/.*|\.dockerenv"
)
"""What no program in the sandbox needs, other people's packages included."""
PYTHON = re.compile(r"(usr/local/bin|usr/bin|bin|opt/python/bin)/python3\.(\d+)")
OLDEST_MINOR = 11


@dataclass(frozen=True)
class BuiltImage:
    """What `build_image` made."""

    tag: str
    """`evolvent-sandbox:` and the hash of everything in it."""
    id: str
    source: str
    """Where its root file system came from."""
    python: str
    """The command that starts its Python."""
    size: int
    """Bytes of its files."""


def build_image(
    engine: Engine, source: str = "auto", mirror: str | None = None, say: Callable[[str], object] = print
) -> BuiltImage:
    """Build the image for this version of Evolvent and try it.

    Args:
        engine: where it is kept.
        source: `registry` (`python:3.11-slim`), `debootstrap`, `interpreter` (the running one), the name of
            another image that holds Python, the path of a folder with a root file system, or `auto`: the
            first of registry, debootstrap and interpreter that works.
        mirror: address of a Debian mirror, for debootstrap.
        say: gets a line for each step.

    Raises:
        UsageError: there is no such source, or no Python in it.
        MissingPrerequisite: the source cannot be had on this machine.
        SandboxLost: the engine failed.
    """
    reasons: list[MissingPrerequisite] = []
    for candidate in SOURCES[1:] if source == "auto" else (source,):
        say(f"taking the root file system from {candidate}")
        try:
            with tempfile.TemporaryDirectory(prefix="evolvent-image-") as folder:
                return _build(engine, candidate, mirror, Path(folder), say)
        except MissingPrerequisite as error:
            if source != "auto":
                raise
            say(f"  not from {candidate}: {error.what}")
            reasons.append(error)
        except OSError as error:
            raise MissingPrerequisite(
                f"the image cannot be packed: {error}",
                f"make space in {tempfile.gettempdir()}, or set TMPDIR",
            ) from None
    raise reasons[-1]


def _build(
    engine: Engine, source: str, mirror: str | None, folder: Path, say: Callable[[str], object]
) -> BuiltImage:
    packed = folder / "root.tar"
    entries, python = _entries(engine, source, mirror, folder)
    packer = _Packer(packed)
    with packer:
        for member, content in entries:
            packer.add(member, content)
        packer.add_guest()
    command = python or packer.python()
    if command is None:
        raise UsageError(
            f"{source!r} holds no Python 3.{OLDEST_MINOR} or newer in /usr/local/bin or /usr/bin; "
            f"there is {', '.join(sorted(packer.pythons)) or 'none at all'}"
        )
    digest = hashlib.sha256("\n".join(sorted(packer.lines)).encode()).hexdigest()[:16]
    tag = f"{REPOSITORY}:{digest}"
    say(f"handing {packer.size / 1e6:.0f} MB to the engine as {tag}")
    labels = {GUEST_LABEL: guest_hash(), PYTHON_LABEL: shlex.join(command)}
    changes = [f"LABEL {name}={json.dumps(value)}" for name, value in labels.items()]
    with engine.transferring(), engine.asking("take in the image") as api, packed.open("rb") as file:
        answer = api.import_image(file, repository=REPOSITORY, tag=digest, changes=changes)
    lines = [json.loads(line) for line in answer.splitlines() if line.strip()]
    if failed := [line["error"] for line in lines if "error" in line]:
        raise SandboxLost(f"the Docker engine refused the image: {failed[0]}")
    with engine.asking("show the image") as api:
        image = api.inspect_image(tag)["Id"]  # type: ignore[no-untyped-call]
    say("trying it")
    _try(engine, image, tag)
    return BuiltImage(tag, image, source, shlex.join(command), packer.size)


def _entries(
    engine: Engine, source: str, mirror: str | None, folder: Path
) -> tuple[Iterator[rootfs.Entry], list[str] | None]:
    if source == "interpreter":
        return rootfs.from_interpreter(folder)
    if source == "debootstrap":
        return rootfs.from_debootstrap(folder / "root", mirror), None
    if source.startswith((".", "/")):
        return rootfs.from_folder(Path(source)), None
    return rootfs.from_image(engine, REGISTRY_IMAGE if source == "registry" else source), None


def _try(engine: Engine, image: str, tag: str) -> None:
    """Call a function in the image; one that cannot do that is removed.

    Raises:
        SandboxLost: it cannot.
    """
    try:
        find_image(engine, image)
        with DockerSandbox(engine=Engine(engine.api, engine.address), image=image, warm_guests=1) as sandbox:
            (result,) = sandbox.call_function("def probe(x): return x + 1", "probe", [[41]])
        if result.value != 42:
            raise SandboxLost(f"a function in it returned {result.value!r}: {result.error}")
    except EvolventError as error:
        with engine.asking("remove the image") as api:
            api.remove_image(tag, force=True)
        raise SandboxLost(f"the image does not work and was removed: {error}") from None


class _Packer:
    """Writes the image's files into a tar and keeps a line for each, from which the image's hash is made."""

    def __init__(self, path: Path) -> None:
        self.lines: list[str] = []
        self.pythons: set[str] = set()
        self._names: set[str] = set()
        self.size = 0
        self._path = path

    def __enter__(self) -> _Packer:
        self._tar = tarfile.open(self._path, "w", format=tarfile.PAX_FORMAT)
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def python(self) -> list[str] | None:
        """Return the command of the newest Python that was packed and is new enough."""
        found = [(int(match[2]), name) for name in self.pythons if (match := PYTHON.fullmatch(name))]
        newest = max(found, default=(0, ""))
        return [f"/{newest[1]}"] if newest[0] >= OLDEST_MINOR else None

    def add(self, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """Add a file, folder or link; anything else and what the sandbox has no use for is left out."""
        name = member.name.removeprefix("./").strip("/")
        if ".." in name.split("/") or "\n" in name:
            return
        if not name or DROPPED.fullmatch(name) or name in self._names:
            return
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            return
        self._names.add(name)
        member.name = name
        member.mode &= 0o755  # neither setuid nor setgid nor writable for others
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        member.pax_headers = {}
        if PYTHON.fullmatch(name):
            self.pythons.add(name)
        digest = ""
        if content is not None:
            with tempfile.SpooledTemporaryFile(max_size=16 << 20) as spool:
                shutil.copyfileobj(content, spool)
                spool.seek(0)
                digest = hashlib.file_digest(spool, "sha256").hexdigest()
                spool.seek(0)
                self._tar.addfile(member, spool)
            self.size += member.size
        else:
            self._tar.addfile(member)
        self.lines.append(f"{name}\0{member.type!r}\0{member.mode:o}\0{member.linkname}\0{digest}")

    def add_guest(self) -> None:
        """Add the guest's code, the working folder and a /tmp that leads to it."""
        for folder in (PACKAGES, f"{PACKAGES}/{GUEST_PACKAGE}", WORK):
            self._add_ours(folder, tarfile.DIRTYPE, 0o755)
        self._add_ours("/tmp", tarfile.SYMTYPE, 0o777, link=WORK)  # noqa: S108
        for module in sorted((Path(__file__).parents[1] / "guest").glob("*.py")):
            self._add_ours(
                f"{PACKAGES}/{GUEST_PACKAGE}/{module.name}", tarfile.REGTYPE, 0o644, module.read_bytes()
            )

    def _add_ours(self, path: str, kind: bytes, mode: int, content: bytes = b"", link: str = "") -> None:
        member = tarfile.TarInfo(path.lstrip("/"))
        member.type, member.mode, member.size, member.linkname = kind, mode, len(content), link
        self._tar.addfile(member, io.BytesIO(content))
        digest = hashlib.sha256(content).hexdigest()
        self.lines.append(f"{member.name}\0{kind!r}\0{mode:o}\0{link}\0{digest}")
        self.size += len(content)
