"""How the tools are made: a closed schema of arguments, a function, and what it touches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from langchain_core.tools import StructuredTool

from evolvent.types import Frozen, Touch

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["make"]


def make(
    name: str, schema: type[Frozen], function: Callable[..., Any], touches: Sequence[Touch] = ()
) -> BaseTool:
    """Return a LangChain tool; the schema's docstring describes it, and its fields bound the arguments."""

    def call(**given: Any) -> Any:
        # Through the schema once more: LangChain leaves out what was not given, the defaults are in the schema.
        arguments = schema.model_validate(given)
        return function(**{field: getattr(arguments, field) for field in schema.model_fields})

    return StructuredTool.from_function(
        call,
        name=name,
        description=" ".join((schema.__doc__ or "").split()),
        args_schema=schema,
        metadata={"touches": [touch.value for touch in touches]},
    )
