"""The scan of a skill's words; it is shared with the memory and lives in `evolvent.scanning`."""

from evolvent.scanning import scan_prose

__all__ = ["scan_prose"]
