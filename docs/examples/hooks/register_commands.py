"""A command of one's own: `evolvent hello --name Ada`."""

from evolvent import hookimpl


def hello(name: str = "you") -> None:
    """Say hello."""
    print(f"Hello, {name}!")


@hookimpl
def register_commands(register):
    register("hello", hello)
