"""Tools: ordinary LangChain tools with argument schemas, and what they touch in their metadata."""

from __future__ import annotations

from typing import Any

from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from evolvent import Settings


class Word(BaseModel):
    """Arguments of `letters.count`."""

    word: str = Field(max_length=100, description="One word.")


class Note(BaseModel):
    """Arguments of `letters.note`."""

    text: str = Field(max_length=1000, description="What to write down.")


def make_tools(settings: Settings) -> list[BaseTool]:
    """Make the set; guests call its tools as `letters.count` and `letters.note`."""

    @tool(args_schema=Word)
    def count(word: str) -> int:
        """Count the letters of a word."""
        return len(word)

    @tool(args_schema=Note)
    def note(text: str) -> str:
        """Write a note into the home."""
        with (settings.home / "notes.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")
        return "noted"

    made: list[Any] = [count, note]
    count.metadata = {"touches": [], "examples": [{"word": "four"}]}
    note.metadata = {"touches": ["writes_files"]}
    return made
