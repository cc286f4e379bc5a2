"""One folder that paths of a guest cannot leave.

Every path is walked from the folder's own descriptor, one component at a time, and no symbolic link is followed. So
there is no moment between a check and its use at which a link could be put in place. What this cannot see is a mount
inside the folder: it counts as part of it.

A file with several names (hard links) is not read: one of its names may lie outside. Writing replaces the name with a
new file, so it never reaches the other names.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evolvent.errors import UsageError

__all__ = ["FOLDER_FLAGS", "Workspace", "open_file", "said", "split_path"]

MAX_DEPTH = 32
MAX_PATH = 1024
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a FIFO that took the place of a file must not hang.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def split_path(path: str) -> tuple[str, ...]:
    """Return the components of a path below the workspace; none for the workspace itself.

    Raises:
        UsageError: it is absolute, climbs, is too long or too deep, or holds a NUL.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    too_long = len(path.encode()) > MAX_PATH or any(len(part.encode()) > 255 for part in parts)
    reasons = {
        "is absolute": path.startswith("/"),
        "climbs with '..'": ".." in parts,
        "holds a NUL character": "\0" in path,
        "is too long": too_long,
        "is too deep": len(parts) > MAX_DEPTH,
    }
    for reason, holds in reasons.items():
        if holds:
            raise UsageError(
                f"the path {path[:100]!r} {reason}; give one relative to the workspace, such as 'notes/today.txt', "
                f"of at most {MAX_PATH} bytes and {MAX_DEPTH} components"
            )
    return parts


def open_file(folder: int, name: str, shown: str) -> tuple[int, int]:
    """Open a regular file with one name, and return its descriptor and its size in bytes.

    Raises:
        UsageError: there is none, or it is something else.
    """
    with said(shown):
        # Looked at first: merely opening some devices has effects. What counts is the second look.
        _require_file(os.stat(name, dir_fd=folder, follow_symlinks=False), shown)
        fd = os.open(name, _FILE_FLAGS, dir_fd=folder)
        try:
            found = os.fstat(fd)
            _require_file(found, shown)
        except BaseException:
            os.close(fd)
            raise
        return fd, found.st_size


def _require_file(found: os.stat_result, shown: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise UsageError(f"{shown!r} is {kind}; only regular files are read and written")
    if found.st_nlink > 1:
        raise UsageError(
            f"{shown!r} has {found.st_nlink} names (hard links), and one may lie outside the workspace; copy it first"
        )


@contextmanager
def said(shown: str) -> Iterator[None]:
    """Say what the system refused, without a path of the host."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, None):
            reason = "does not exist; see files.list"
        elif error.errno in (errno.ELOOP, errno.ENOTDIR):
            reason = "goes through a symbolic link or something else that is no folder; neither is followed"
        else:
            reason = f"cannot be used: {error.strerror}"
        raise UsageError(f"{shown!r} {reason}") from error


class Workspace:
    """The folder; it is made, for its owner only, when something is first written."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()

    def exists(self) -> bool:
        """Whether anything was written yet."""
        return self._root.exists()

    @contextmanager
    def folder(self, parts: tuple[str, ...], shown: str, create: bool = False) -> Iterator[int]:
        """Open a folder below the workspace, and yield its descriptor.

        Raises:
            UsageError: it is not there, or a component of the path is no folder.
        """
        with said(shown):
            fd = self._walk(parts, create)
        try:
            yield fd
        finally:
            os.close(fd)

    def _walk(self, parts: tuple[str, ...], create: bool) -> int:
        if create:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The folder itself may be a link: the person who set it chose that.
        fd = os.open(self._root, FOLDER_FLAGS & ~os.O_NOFOLLOW)
        for part in parts:
            try:
                if create:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=fd)
                below = os.open(part, FOLDER_FLAGS, dir_fd=fd)
            finally:
                os.close(fd)
            fd = below
        return fd

    def replace(self, folder: int, name: str, data: bytes, shown: str) -> None:
        """Put a file in place in one step: whoever looks sees the old content or the new.

        Raises:
            UsageError: something that is no regular file has this name, or the system refuses.
        """
        with said(shown):
            mode = _mode_to_keep(folder, name, shown)
            temporary = f".evolvent-{secrets.token_hex(8)}.tmp"
            fd = os.open(temporary, _NEW_FLAGS, 0o600, dir_fd=folder)
            try:
                with open(fd, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fchmod(fd, mode)
                    os.fsync(fd)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise

    def remove(self, folder: int, name: str, shown: str) -> None:
        """Remove a file, or an empty folder.

        Raises:
            UsageError: it is not there, is neither, or the folder is not empty.
        """
        with said(shown):
            mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                os.rmdir(name, dir_fd=folder)
            elif stat.S_ISREG(mode):
                os.unlink(name, dir_fd=folder)
            else:
                raise UsageError(f"{shown!r} is neither a regular file nor a folder; it is left alone")


def _mode_to_keep(folder: int, name: str, shown: str) -> int:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return 0o600
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise UsageError(f"{shown!r} is {kind}; only regular files are written")
    return stat.S_IMODE(found.st_mode) & 0o777
