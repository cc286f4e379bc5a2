"""Where a home's daemon is; see `evolvent.storage.place`, which the client reads too."""

from evolvent.storage.place import FILE, Place, find, forget

__all__ = ["FILE", "Place", "find", "forget"]
