"""Where guest code runs."""

from evolvent_sandbox.bubblewrap import BubblewrapSandbox
from evolvent_sandbox.subprocess_backend import SubprocessSandbox

__all__ = ["BubblewrapSandbox", "SubprocessSandbox"]
