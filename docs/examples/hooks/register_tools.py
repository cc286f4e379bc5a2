"""A tool that touches nothing, and one that reads files: the user's policy file decides on each."""

from evolvent import hookimpl


def make_dice(settings):
    from langchain_core.tools import tool

    @tool
    def dice(sides: int) -> list[int]:
        """List what a die with so many sides can show."""
        return list(range(1, min(sides, 1000) + 1))

    return dice


def make_home_size(settings):
    from langchain_core.tools import tool

    @tool
    def home_size() -> int:
        """Return the bytes of all files in Evolvent's home."""
        return sum(path.stat().st_size for path in settings.home.rglob("*") if path.is_file())

    return home_size


@hookimpl
def register_tools(register):
    register("dice", make_dice, touches=[])
    register("home-size", make_home_size, touches=["reads_files"])
