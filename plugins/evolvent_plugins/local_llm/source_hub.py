"""The Hugging Face hub as a source: one HTTP download that can be resumed.

`HF_ENDPOINT` names another hub and `HF_HUB_OFFLINE=1` none, as for `huggingface_hub`.
"""

from __future__ import annotations

import http.client
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evolvent_plugins.local_llm.catalogue import CataloguedModel, HubFile
from evolvent_plugins.local_llm.model_file import hash_file
from evolvent_plugins.local_llm.source import SourceFailed

__all__ = ["fetch_from_hub"]

BLOCK = 1 << 20
RETRY_BYTES = 1 << 16
"""A connection that broke after at least so many bytes is opened again."""
ANSWER_SECONDS = 6.0
"""Until the hub has answered, name resolution and redirects included."""
STALL_SECONDS = 30.0
"""Without one byte in the middle of the download."""


def fetch_from_hub(
    model: CataloguedModel, file: HubFile, partial: Path, progress: Callable[[int, int], None]
) -> Path:
    """Download the model's file into the folder `partial` and return it.

    Raises:
        SourceFailed: the hub cannot be reached, stalls, refuses, or has another file.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SourceFailed("HF_HUB_OFFLINE is set")
    data = partial / "hub.part"
    while (have := _size(data)) < model.size:
        try:
            _download(_url(file), data, have, model.size, progress)
        except SourceFailed:
            if _size(data) < have + RETRY_BYTES:
                raise
    found = hash_file(data)
    if found != model.sha256:
        data.unlink()
        raise SourceFailed(f"its file has the SHA-256 {found}, not {model.sha256}")
    return data


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _url(file: HubFile) -> str:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    if not endpoint.startswith(("https://", "http://")):
        raise SourceFailed(f"HF_ENDPOINT={endpoint!r} is not an http(s) URL")
    return f"{endpoint}/{file.repository}/resolve/{file.revision}/{file.path}"


def _download(url: str, data: Path, have: int, size: int, progress: Callable[[int, int], None]) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310  # http(s) only, see _url
    try:
        with _answer(request) as response, data.open("r+b" if data.exists() else "wb") as stream:
            if response.status != 206:
                have = 0
            length = response.headers.get("Content-Length")
            if length is not None and have + int(length) != size:
                raise SourceFailed(f"its file has {have + int(length)} bytes, not {size}")
            stream.seek(have)
            stream.truncate()
            while block := response.read(BLOCK):
                have += len(block)
                if have > size:
                    raise SourceFailed(f"its file has more than {size} bytes")
                stream.write(block)
                progress(have, size)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
        ValueError,
    ) as error:
        raise SourceFailed(f"{url}: {error}") from error
    if have != size:
        raise SourceFailed(f"{url}: the connection ended after {have} of {size} bytes")


def _answer(request: urllib.request.Request) -> Any:
    """Open the URL, but give up when the whole of it, name resolution too, takes too long.

    The system's resolver knows no time-out, so the call waits in a daemon thread.
    """
    outcome: list[Any] = []

    def open_url() -> None:
        try:
            outcome.append(urllib.request.urlopen(request, timeout=STALL_SECONDS))  # noqa: S310  # see _url
        except Exception as error:  # raised again in the waiting thread
            outcome.append(error)

    thread = threading.Thread(target=open_url, name="evolvent-hub", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if not outcome:
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]
