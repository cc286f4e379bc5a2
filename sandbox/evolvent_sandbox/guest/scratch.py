"""The writable folders of a guest: whether anything was left in them, and what may be taken out of them."""

from __future__ import annotations

import fnmatch
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Collector", "Scratch"]

MAX_PATH = 1024


class Scratch:
    """Writable folders that must be as they were before anybody else may use them."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = [folder for folder in folders if os.path.isdir(folder)]
        self._marks = self._look()

    def untouched(self) -> bool:
        """Whether nothing was made, removed or changed in them, the folders' own attributes included."""
        try:
            return self._look() == self._marks
        except OSError:  # closed even for its owner
            return False

    def files(self) -> int:
        """Return how many files and folders the fullest of them holds."""
        return max((_used_inodes(folder) for folder in self.folders), default=0)

    def _look(self) -> list[tuple[object, ...]]:
        seen: list[tuple[object, ...]] = []
        for folder in self.folders:
            found = os.stat(folder)
            mark = (found.st_mode, found.st_uid, found.st_gid, found.st_mtime_ns, found.st_ctime_ns)
            seen.append((*mark, *os.listdir(folder)))
        return seen


def _used_inodes(folder: str) -> int:
    found = os.statvfs(folder)
    return found.f_files - found.f_ffree


class Collector:
    """Takes regular files out of a folder that hostile programs have filled.

    Folders are opened one by one relative to the one before, never following a link; files must have one name,
    lie on the folder's own file system and fit into what is left of the bytes.
    """

    def __init__(self, work: str, max_files: int, max_bytes: int) -> None:
        self.left_out: dict[str, str] = {}
        self._work = work
        self._looks_left = max_files
        self._bytes_left = max_bytes
        self._device = os.stat(work).st_dev
        self._taken: set[str] = set()

    def take(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of the files that a pattern names; note the others in `left_out`."""
        try:
            folder = os.open(self._work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self.left_out[pattern] = f"the working folder: {error.strerror}"
            return
        yield from self._descend(folder, "", pattern.split("/"))

    def _descend(self, folder: int, prefix: str, parts: list[str]) -> Iterator[tuple[str, bytes]]:
        try:
            for name in self._matching(folder, parts[0]):
                path = prefix + name
                if len(path) > MAX_PATH or not path.isprintable():
                    self.left_out[ascii(path)[:200]] = "its name is too long or not printable"
                elif len(parts) > 1:
                    below = self._open(folder, name, path, os.O_DIRECTORY)
                    if below is not None:
                        yield from self._descend(below, path + "/", parts[1:])
                elif path not in self._taken:
                    content = self._read(folder, name, path)
                    if content is not None:
                        self._taken.add(path)
                        yield path, content
        finally:
            os.close(folder)

    def _matching(self, folder: int, part: str) -> list[str]:
        if not any(sign in part for sign in "*?["):
            return [part]
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                self._looks_left -= 1
                if self._looks_left < 0:
                    self.left_out["…"] = "more files than may be looked at (files)"
                    break
                names.append(entry.name)
        return sorted(fnmatch.filter(names, part))

    def _open(self, folder: int, name: str, path: str, flags: int) -> int | None:
        flags |= os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.left_out[path] = error.strerror or type(error).__name__
            return None

    def _read(self, folder: int, name: str, path: str) -> bytes | None:
        try:
            kind = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.left_out[path] = error.strerror or type(error).__name__
            return None
        if not stat.S_ISREG(kind.st_mode):  # before it is opened: opening a device or a pipe can have effects
            self.left_out[path] = "not a regular file"
            return None
        file = self._open(folder, name, path, 0)
        if file is None:
            return None
        try:
            reason, content = self._take_content(file)
        finally:
            os.close(file)
        if reason:
            self.left_out[path] = reason
            return None
        return content

    def _take_content(self, file: int) -> tuple[str, bytes]:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return "not a regular file", b""
        if found.st_nlink != 1:
            return f"it has {found.st_nlink} names", b""
        if found.st_dev != self._device:
            return "it lies on another file system", b""
        chunks = []
        left = self._bytes_left
        while chunk := os.read(file, min(1 << 20, left + 1)):
            left -= len(chunk)
            if left < 0:
                return f"no room for its {found.st_size} bytes (result_bytes)", b""
            chunks.append(chunk)
        self._bytes_left = left
        return "", b"".join(chunks)
