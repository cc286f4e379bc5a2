"""Who may look into a process: the kernel's `PR_SET_DUMPABLE`, for which Python has no function."""

from __future__ import annotations

__all__ = ["set_dumpable"]

PR_SET_DUMPABLE = 4


def set_dumpable(allowed: bool) -> bool:
    """Say whether processes of the same user may trace this one and open its memory and descriptors.

    Returns False where that cannot be set.
    """
    try:
        import _ctypes
    except ImportError:
        return False
    prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]  # None: this program
    return bool(_ctypes.call_function(prctl, (PR_SET_DUMPABLE, int(allowed), 0, 0, 0)) == 0)
