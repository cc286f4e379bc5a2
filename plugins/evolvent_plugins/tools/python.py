"""`python`: call a function of some source in the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from evolvent.protocols import FunctionServer
from evolvent.types import Frozen, JsonValue, Limits
from evolvent_plugins.tools.schema import make

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["PythonArguments", "make_tool"]


class PythonArguments(Frozen):
    """Run Python source in the sandbox.

    Returns what one of its functions returns: `outcome`, `value`, `error`, `line` and `stdout`. The source has the
    standard library, no network and no files of the user.
    """

    source: str = Field(max_length=200_000, description="Python source that defines the function.")
    function: str = Field(
        default="main",
        pattern=r"^[^\W\d]\w*$",
        max_length=100,
        description="Name of the function to call.",
    )
    args: tuple[JsonValue, ...] = Field(
        default=(), max_length=100, description="Its positional arguments, JSON values."
    )
    wall_seconds: float = Field(default=5.0, gt=0, le=60, description="Seconds after which it is ended.")


def make_tool(functions: FunctionServer) -> BaseTool:
    """Return the tool `python`, which runs its source with `functions`."""

    def python(
        source: str, function: str, args: tuple[JsonValue, ...], wall_seconds: float
    ) -> dict[str, JsonValue]:
        limits = Limits(wall_seconds=wall_seconds, cpu_seconds=max(1, round(wall_seconds)))
        (result,) = functions.call_function(source, function, [args], limits)
        # Seconds differ from run to run; a guest that could see them could not be replayed.
        return result.model_dump(mode="json", exclude={"seconds"})

    return make("python", PythonArguments, python)
