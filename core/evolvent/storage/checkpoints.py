"""Checkpoints of the graphs in SQLite, for synchronous and asynchronous callers alike."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import ormsgpack
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.serde.jsonplus import (
    EXT_CONSTRUCTOR_SINGLE_ARG,
    EXT_PYDANTIC_V2,
    JsonPlusSerializer,
)
from langgraph.checkpoint.sqlite import SqliteSaver
from pydantic import BaseModel

from evolvent import types

__all__ = ["Checkpoints", "open_checkpoints"]


class Checkpoints(SqliteSaver):
    """LangGraph's SQLite saver whose asynchronous half runs the synchronous one in a thread."""

    def forget_run(self, run_id: str) -> None:
        """Delete what was kept of a run and of its parts (`<run>/…`), which will not go on."""
        # "0" comes right after "/": the second condition is met by all names that begin with `<run>/`.
        within = (run_id, f"{run_id}/", f"{run_id}0")
        with self.cursor() as cursor:
            cursor.execute(
                "DELETE FROM checkpoints WHERE thread_id = ? OR (thread_id > ? AND thread_id < ?)", within
            )
            cursor.execute(
                "DELETE FROM writes WHERE thread_id = ? OR (thread_id > ? AND thread_id < ?)", within
            )

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        found = await asyncio.to_thread(
            lambda: list(self.list(config, filter=filter, before=before, limit=limit))
        )
        for item in found:
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await asyncio.to_thread(self.delete_thread, thread_id)


class Serializer(JsonPlusSerializer):
    """LangGraph's serializer, also for integers of more than 64 bits, which MessagePack has not.

    A task may hold such a number and its answer may be one (`2**100` is ordinary JSON). They are written as a call of
    `int`, which LangGraph's own reader understands; what has none is written as ever.
    """

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        """See `JsonPlusSerializer.dumps_typed`."""
        try:
            return super().dumps_typed(obj)
        except ormsgpack.MsgpackEncodeError:
            return "msgpack", self._pack(obj)

    def _pack(self, value: Any) -> bytes:
        return ormsgpack.packb(value, default=self._ext, option=_OPTIONS)

    def _ext(self, value: Any) -> Any:
        kind = type(value)
        if kind is int:
            return ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(("builtins", "int", str(value))))
        if isinstance(value, BaseModel):
            told = (kind.__module__, kind.__name__, value.model_dump(), "model_validate_json")
            return ormsgpack.Ext(EXT_PYDANTIC_V2, self._pack(told))
        return ormsgpack.unpackb(super().dumps_typed(value)[1], ext_hook=ormsgpack.Ext)


_OPTIONS = (
    ormsgpack.OPT_NON_STR_KEYS
    | ormsgpack.OPT_PASSTHROUGH_BIG_INT
    | ormsgpack.OPT_PASSTHROUGH_DATACLASS
    | ormsgpack.OPT_PASSTHROUGH_DATETIME
    | ormsgpack.OPT_PASSTHROUGH_ENUM
    | ormsgpack.OPT_PASSTHROUGH_UUID
    | ormsgpack.OPT_REPLACE_SURROGATES
)
"""LangGraph's own, and that long integers come to `default`."""


def open_checkpoints(path: Path, extra_types: Sequence[type] = ()) -> Checkpoints:
    """Open the checkpoint database.

    Only the kernel's own types (and `extra_types`, and `int`) are ever made from stored bytes; pickle is off.
    """
    connection = sqlite3.connect(path, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    own = [t for name in types.__all__ if inspect.isclass(t := getattr(types, name))]
    serializer = Serializer(
        pickle_fallback=False,
        allowed_msgpack_modules=[(t.__module__, t.__name__) for t in (*own, *extra_types, int)],
    )
    return Checkpoints(connection, serde=serializer)
