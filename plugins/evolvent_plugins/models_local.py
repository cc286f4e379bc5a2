"""`local:` models: catalogued files, answered by llama.cpp in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evolvent.errors import EvolventError
from evolvent.hookspecs import hookimpl
from evolvent.protocols import ModelProvider
from evolvent.settings import Settings
from evolvent.types import ModelInfo
from evolvent_plugins.local_llm.catalogue import CATALOGUE, CataloguedModel, find_model
from evolvent_plugins.local_llm.model_file import check_installed, model_path

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["LocalModels", "register_models"]


class LocalModels:
    """The provider of embedded models."""

    def create(self, name: str, settings: Settings) -> BaseChatModel:
        """Load a model, or share it when this process has it loaded already.

        Raises:
            UnknownName: no embedded model has this name.
            MissingPrerequisite: it is not on disk, or the engine is not installed.
            IntegrityError: its file is not the promised one.
            ModelCallError: llama.cpp cannot load it.
        """
        model = find_model(name)
        path = model_path(model, settings)
        check_installed(model, path)
        from evolvent_plugins.local_llm.chat_model import LocalChatModel

        return LocalChatModel(
            path=path,
            model_name=name,
            threads=settings.model_threads,
            context=settings.model_context,
            timeout=settings.model_timeout,
        )

    def models(self, settings: Settings) -> list[ModelInfo]:
        """Return the catalogue, with what of it is on disk."""
        return [_describe(model, settings) for model in CATALOGUE.values()]

    def pull(self, name: str, settings: Settings, progress: Callable[[int, int], None]) -> None:
        """Fetch a model's file; see `evolvent_plugins.local_llm.pull.pull_model` for what it raises."""
        from evolvent_plugins.local_llm.pull import pull_model

        pull_model(find_model(name), settings, progress)


def _describe(model: CataloguedModel, settings: Settings) -> ModelInfo:
    path = model_path(model, settings)
    note, installed = model.note, False
    if path.exists():
        try:
            check_installed(model, path)
            installed = True
        except EvolventError as error:
            note = str(error)
    return ModelInfo(
        ref=f"local:{model.name}",
        size_bytes=model.size,
        licence=model.licence,
        installed=installed,
        path=str(path) if installed else "",
        note=note,
    )


@hookimpl
def register_models(register: Callable[[str, ModelProvider], None]) -> None:
    """Register the provider `local`."""
    register("local", LocalModels())
