"""What a supervisor is told: that the daemon takes jobs, and that it ends.

Source: sd_notify(3); a datagram with lines NAME=value to the socket that `NOTIFY_SOCKET` names.
"""

from __future__ import annotations

import contextlib
import os
import socket

__all__ = ["VARIABLE", "tell"]

VARIABLE = "NOTIFY_SOCKET"


def tell(state: str) -> bool:
    """Tell the supervisor of this process something; one that does not listen is no error.

    Args:
        state: such as `READY=1` or `STOPPING=1`.

    Returns:
        Whether it was sent; without a supervisor that asks for it nothing is.
    """
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # a name without a file
        address = f"\0{address[1:]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.sendto(state.encode(), address)
        return True
    return False
