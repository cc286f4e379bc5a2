"""A self-check for `evolvent plugins doctor`."""

import shutil

from evolvent import hookimpl
from evolvent.errors import MissingPrerequisite


def git_is_there(settings):
    if shutil.which("git") is None:
        raise MissingPrerequisite("git is not installed", "apt-get install git")
    return


@hookimpl
def register_checks(register):
    register("git", git_is_there)
