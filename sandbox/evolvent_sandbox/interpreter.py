"""A Python that the sandbox's user can read: the running one, the system's, or a copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evolvent.errors import MissingPrerequisite
from evolvent_sandbox.staging import SandboxUser, Staging, readable_by

__all__ = ["INSIDE", "Interpreter", "elf_loader", "find_interpreter", "prepare_copy", "running_interpreter"]

INSIDE = Path("/opt/python")
OLDEST = (3, 11)
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "lib2to3",
    "site-packages",
    "dist-packages",
}
PROBE = """
import json, os, resource, select, sys
stdlib = os.path.dirname(os.__file__)
print(json.dumps([list(sys.version_info[:3]), sys.base_prefix, stdlib, sys.implementation.cache_tag]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter as the host sees it and as the sandbox sees it."""

    executable: Path
    """The binary on the host."""
    version: tuple[int, int, int]
    cache_tag: str
    origin: str
    """`running`, `system` or `copy`."""
    prefix: Path
    """Its installation on the host; `/usr` for the system's."""
    stdlib: Path

    @property
    def command(self) -> list[str]:
        """The words that start it inside the sandbox."""
        if self._is_system:
            return [str(self.executable)]
        inside = str(INSIDE / "bin" / self.executable.name)
        if not self.shared_libraries():
            return [inside]
        return [elf_loader(self.executable), "--library-path", str(INSIDE / "lib"), "--argv0", inside, inside]

    @property
    def binds(self) -> list[tuple[Path, Path]]:
        """Pairs of host path and path inside, to be mounted read-only."""
        if self._is_system:
            return [(self.executable, self.executable)]
        libraries = [(path, INSIDE / "lib" / path.name) for path in self.shared_libraries()]
        return [
            (self.executable, INSIDE / "bin" / self.executable.name),
            (self.stdlib, INSIDE / "lib" / self.stdlib.name),
            *libraries,
        ]

    @property
    def hidden(self) -> list[Path]:
        """Folders inside that hold other people's packages and are covered by an empty one."""
        if self._is_system:
            return [path for path in (Path("/usr/lib/python3"),) if path.is_dir()]
        places = (self.stdlib / "site-packages", self.stdlib / "dist-packages")
        return [INSIDE / "lib" / self.stdlib.name / path.name for path in places if path.is_dir()]

    @property
    def _is_system(self) -> bool:
        return self.prefix == Path("/usr")

    def shared_libraries(self) -> list[Path]:
        """Return the libraries of its own that the binary is linked with, where it is."""
        return sorted((self.prefix / "lib").glob(f"libpython{self.version[0]}.{self.version[1]}*.so*"))

    def describe(self) -> str:
        """Return a line for `doctor`."""
        return f"Python {'.'.join(map(str, self.version))} ({self.origin}: {self.executable})"


def find_interpreter(user: SandboxUser, staging: Staging) -> Interpreter:
    """Return the first of: the running interpreter, one of the system, a prepared copy of the running one.

    Raises:
        MissingPrerequisite: none can be read by the sandbox's user and none can be copied.
    """
    running = running_interpreter()
    if _usable(running, user):
        return running
    for candidate in _system_interpreters():
        if _usable(candidate, user):
            return candidate
    return prepare_copy(running, staging)


def prepare_copy(base: Interpreter, staging: Staging) -> Interpreter:
    """Copy an interpreter with its standard library, without tests and packages, to where it can be read.

    Raises:
        MissingPrerequisite: there is no place, or no space, for it.
    """
    import hashlib

    seen = base.executable.stat()
    state = f"{base.executable}\0{seen.st_size}\0{seen.st_mtime_ns}\0{sorted(LEFT_OUT)}"
    version = ".".join(map(str, base.version))
    key = f"python-{version}-{hashlib.sha256(state.encode()).hexdigest()[:16]}"
    folder = staging.publish(key, lambda draft: _copy_interpreter(base, draft))
    return Interpreter(
        executable=folder / "bin" / base.executable.name,
        version=base.version,
        cache_tag=base.cache_tag,
        origin="copy",
        prefix=folder,
        stdlib=folder / "lib" / base.stdlib.name,
    )


def _copy_interpreter(base: Interpreter, draft: Path) -> None:
    (draft / "bin").mkdir()
    shutil.copy2(base.executable, draft / "bin" / base.executable.name)
    (draft / "lib").mkdir()
    for path in base.shared_libraries():
        shutil.copy2(path, draft / "lib" / path.name)

    def left_out(folder: str, names: list[str]) -> set[str]:
        unused = {name for name in names if name.endswith((".opt-1.pyc", ".opt-2.pyc", ".a"))}
        return unused | (LEFT_OUT & set(names)) | {name for name in names if name.startswith("config-")}

    shutil.copytree(base.stdlib, draft / "lib" / base.stdlib.name, ignore=left_out)


def running_interpreter() -> Interpreter:
    """Return the interpreter of this process, without its virtual environment."""
    stdlib = Path(os.path.dirname(os.path.realpath(os.__file__)))
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    executable = Path(sys.base_prefix) / "bin" / name
    if not executable.exists():
        executable = Path(os.path.realpath(sys.executable))
    return Interpreter(
        executable=Path(os.path.realpath(executable)),
        version=sys.version_info[:3],
        cache_tag=sys.implementation.cache_tag or "",
        origin="running",
        prefix=Path(os.path.realpath(sys.base_prefix)),
        stdlib=stdlib,
    )


def _system_interpreters() -> Iterator[Interpreter]:
    """Yield the system's interpreters, the one with our own minor version first."""
    ours = sys.version_info.minor
    minors = sorted(range(OLDEST[1], OLDEST[1] + 8), key=lambda minor: (minor != ours, -minor))
    for minor in minors:
        for folder in ("/usr/bin", "/usr/local/bin"):
            path = Path(folder) / f"python3.{minor}"
            if path.exists():
                found = _probe(path)
                if found is not None:
                    yield found


def _probe(path: Path) -> Interpreter | None:
    command = [str(path), "-I", "-S", "-c", PROBE]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, env={}, cwd="/", check=True)
        version, prefix, stdlib, tag = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(
        executable=Path(os.path.realpath(path)),
        version=(version[0], version[1], version[2]),
        cache_tag=tag,
        origin="system",
        prefix=Path(os.path.realpath(prefix)),
        stdlib=Path(os.path.realpath(stdlib)),
    )


def _usable(candidate: Interpreter, user: SandboxUser) -> bool:
    paths = (
        candidate.executable,
        candidate.stdlib,
        candidate.stdlib / "os.py",
        *candidate.shared_libraries(),
    )
    return candidate.version >= OLDEST and all(readable_by(path, user) for path in paths)


def elf_loader(executable: Path) -> str:
    """Return the dynamic loader that an ELF binary names (its PT_INTERP segment).

    Raises:
        MissingPrerequisite: the file is no 64-bit little-endian ELF binary with a loader.
    """
    data = executable.read_bytes()
    if data[:6] == b"\x7fELF\x02\x01":
        table = int.from_bytes(data[32:40], "little")
        size, count = int.from_bytes(data[54:56], "little"), int.from_bytes(data[56:58], "little")
        for entry in range(table, table + size * count, size):
            if int.from_bytes(data[entry : entry + 4], "little") == 3:
                start = int.from_bytes(data[entry + 8 : entry + 16], "little")
                length = int.from_bytes(data[entry + 32 : entry + 40], "little")
                return data[start : start + length].rstrip(b"\0").decode()
    raise MissingPrerequisite(
        f"{str(executable)!r} is not a dynamically linked 64-bit program", "apt-get install python3"
    )
