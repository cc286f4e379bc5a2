"""Backups of a home: one file, consistent while others write, and the way back."""

from evolvent.storage.backups.archive import back_up
from evolvent.storage.backups.manifest import Manifest
from evolvent.storage.backups.restoring import Restored, restore

__all__ = ["Manifest", "Restored", "back_up", "restore"]
