"""The bubblewrap sandbox with less memory for everything in it: `EVOLVENT_SANDBOX=tight`."""

from evolvent import hookimpl
from evolvent.types import Limits


def make(settings):
    from evolvent_sandbox.bubblewrap import BubblewrapSandbox

    class Tight(BubblewrapSandbox):
        name = "tight"

    return Tight(limits=Limits(memory_bytes=256 * 1024 * 1024))


@hookimpl
def register_sandboxes(register):
    register("tight", make)
