"""Files that the sandbox's user must be able to read, and a cache for those that it cannot."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from evolvent.errors import MissingPrerequisite

__all__ = ["SandboxUser", "Staging", "content_hash", "readable_by"]

NOBODY = 65534
SYSTEM_CACHE = Path("/var/cache/evolvent")


@dataclass(frozen=True)
class SandboxUser:
    """Who starts the sandbox: never root."""

    uid: int
    gid: int
    dropped: bool
    """Whether the host process is root and gives its rights up for this user."""

    @classmethod
    def current(cls) -> SandboxUser:
        """Return the user of this process, or nobody when this process is root."""
        if os.geteuid() == 0:
            return cls(NOBODY, NOBODY, True)
        return cls(os.geteuid(), os.getegid(), False)


def readable_by(path: Path, user: SandboxUser) -> bool:
    """Whether a user can reach and read a file, or reach and list a folder."""
    path = Path(os.path.realpath(path))
    if not path.exists():
        return False
    if not user.dropped:
        return os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0))
    mode = path.stat().st_mode
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return mode & needed == needed and all(p.stat().st_mode & stat.S_IXOTH for p in path.parents)


def content_hash(paths: Iterable[Path], *salt: str) -> str:
    """Return 16 hex digits that change with the names or the bytes of some files."""
    state = hashlib.sha256("\0".join(salt).encode())
    for path in sorted(paths):
        state.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return state.hexdigest()[:16]


class Staging:
    """A folder of ours, readable by the sandbox's user, with one subfolder for each prepared thing."""

    def __init__(self, user: SandboxUser, root: Path | None = None) -> None:
        self.user = user
        self._root = root

    @property
    def root(self) -> Path:
        """The folder, made when it is first needed.

        Raises:
            MissingPrerequisite: no place can be written that the sandbox's user can read.
        """
        if self._root is None:
            self._root = self._find_root()
        return self._root

    def _find_root(self) -> Path:
        for candidate in self._candidates():
            try:
                if not candidate.is_dir():
                    candidate.mkdir(parents=True, exist_ok=True)
                    candidate.chmod(0o755)  # whatever the umask: that of the systemd unit is 077
                found = candidate.stat()
            except OSError:
                continue
            ours = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            if ours and os.access(candidate, os.W_OK) and readable_by(candidate, self.user):
                return candidate
        tried = ", ".join(str(c) for c in self._candidates())
        raise MissingPrerequisite(
            f"no folder can be written that the sandbox's user (uid {self.user.uid}) can read; tried {tried}",
            f"mkdir -p {next(iter(self._candidates()))} && chmod 755 {next(iter(self._candidates()))}",
        )

    def _candidates(self) -> list[Path]:
        import platformdirs

        places = [Path(platformdirs.user_cache_dir("evolvent")) / "sandbox"]
        if self.user.dropped:
            places.insert(0, SYSTEM_CACHE)
        return [*places, Path(tempfile.gettempdir()) / f"evolvent-cache-{os.geteuid()}"]

    def publish(self, key: str, build: Callable[[Path], None]) -> Path:
        """Return the folder of a key; when it is new, `build` fills it first and it appears at once, whole.

        Raises:
            MissingPrerequisite: there is no place, or no space, for it.
        """
        final = self.root / key
        if final.is_dir():
            return final
        draft = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=self.root))
        try:
            build(draft)
            _open_for_all(draft)
            draft.rename(final)
        except OSError as error:
            if not final.is_dir():
                raise MissingPrerequisite(
                    f"cannot prepare {final}: {error}", f"make space in {self.root}, then try again"
                ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return final

    def readable_files(self, files: dict[str, Path], key: str) -> Path:
        """Return the first of some files that belong together, or its copy if not all can be read.

        Args:
            files: path inside the copy to file; the layout matters to the files.
            key: begins the name of the copy's folder.

        Raises:
            MissingPrerequisite: there is no place, or no space, for the copy.
        """
        name, first = next(iter(files.items()))
        if all(readable_by(path, self.user) for path in files.values()):
            return first

        def build(draft: Path) -> None:
            for inside, path in files.items():
                (draft / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, draft / inside)

        return self.publish(f"{key}-{content_hash(files.values())}", build) / name


def _open_for_all(folder: Path) -> None:
    """Let everyone read a tree and nobody but its owner write it."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
