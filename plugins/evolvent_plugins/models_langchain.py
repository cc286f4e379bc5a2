"""Models of services, through LangChain's `init_chat_model`: `openai:`, `anthropic:` and `ollama:`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evolvent.errors import MissingPrerequisite, UsageError
from evolvent.hookspecs import hookimpl
from evolvent.protocols import ModelProvider
from evolvent.settings import Settings
from evolvent.types import ModelInfo

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["ServiceModels", "register_models"]


@dataclass(frozen=True)
class ServiceModels:
    """The provider of one service's models."""

    provider: str
    """As `init_chat_model` names it; also the name of our extra."""
    package: str
    """LangChain's integration, as imported."""
    key_variable: str | None
    """Environment variable of the API key; None for services without one."""
    takes_timeout: bool = True
    """Whether the integration has `timeout` and `max_retries`; else its HTTP client gets the time-out."""

    def create(self, name: str, settings: Settings) -> BaseChatModel:
        """Return the service's model; nothing is asked of the service yet.

        With `settings.base_url`, any OpenAI-compatible endpoint answers for `openai:`, and a key is optional.

        Raises:
            UsageError: the name is empty, or the integration refuses it.
            MissingPrerequisite: the integration is not installed, or there is no API key.
        """
        if not name.strip():
            raise UsageError(f"the model {self.provider + ':'!r} has no name; write {self.provider}:<model>")
        self._require_package()
        options: dict[str, Any] = {"base_url": settings.base_url} if settings.base_url else {}
        if self.key_variable and not os.environ.get(self.key_variable):
            if not settings.base_url:
                raise MissingPrerequisite(
                    f"the model '{self.provider}:{name}' needs an API key in the environment variable "
                    f"{self.key_variable}, which is not set",
                    f"export {self.key_variable}=…   # or set EVOLVENT_BASE_URL to an endpoint of your own",
                )
            options["api_key"] = "not-needed"
        if self.takes_timeout:
            # The kernel retries (EVOLVENT_MODEL_RETRIES): one place counts and records them.
            options.update(timeout=settings.model_timeout, max_retries=0)
        else:
            options["client_kwargs"] = {"timeout": settings.model_timeout}
        if self.provider == "openai":
            options["stream_usage"] = True  # left out for endpoints of one's own unless asked for
        from langchain.chat_models import init_chat_model

        try:
            model: BaseChatModel = init_chat_model(name, model_provider=self.provider, **options)
        except ImportError as error:
            raise self._not_installed(error) from error
        except ValueError as error:
            raise UsageError(f"the model '{self.provider}:{name}' cannot be set up: {error}") from error
        return model

    def models(self, settings: Settings) -> list[ModelInfo]:
        """Return nothing: only the service knows its models."""
        return []

    def pull(self, name: str, settings: Settings, progress: Callable[[int, int], None]) -> None:
        """Refuse: the models of a service are not fetched.

        Raises:
            UsageError: always.
        """
        hint = f"; `ollama pull {name}` fetches it into Ollama" if self.provider == "ollama" else ""
        raise UsageError(f"'{self.provider}:{name}' answers over the network: there is nothing to pull{hint}")

    def _require_package(self) -> None:
        from importlib.util import find_spec

        if find_spec(self.package) is None:
            raise self._not_installed(None)

    def _not_installed(self, error: Exception | None) -> MissingPrerequisite:
        why = f": {error}" if error else ""
        return MissingPrerequisite(
            f"'{self.provider}:' models need the package {self.package.replace('_', '-')}, "
            f"which cannot be used here{why}",
            f"pip install 'evolvent[{self.provider}]'",
        )


SERVICES = (
    ServiceModels("openai", "langchain_openai", "OPENAI_API_KEY"),
    ServiceModels("anthropic", "langchain_anthropic", "ANTHROPIC_API_KEY"),
    ServiceModels("ollama", "langchain_ollama", None, takes_timeout=False),
)


@hookimpl
def register_models(register: Callable[[str, ModelProvider], None]) -> None:
    """Register the providers `openai`, `anthropic` and `ollama`."""
    for service in SERVICES:
        register(service.provider, service)
