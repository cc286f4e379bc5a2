"""Running untrusted code: its limits and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evolvent.types._base import Frozen, JsonValue

__all__ = ["CallResult", "Execution", "Limits", "Variation"]

MIB = 1024 * 1024


class Limits(Frozen):
    """What one sandbox may use. Every field has a unit in its name or its docstring."""

    wall_seconds: float = Field(default=10.0, gt=0)
    """Wall-clock seconds until the whole process group is killed."""
    cpu_seconds: int = Field(default=10, ge=1)
    """CPU seconds for each process."""
    memory_bytes: int = Field(default=512 * MIB, ge=32 * MIB)
    """Address space in bytes for each process."""
    total_memory_bytes: int = Field(default=1024 * MIB, ge=64 * MIB)
    """Memory in bytes that all processes and the scratch folder hold together; nothing is swapped."""
    cpus: float = Field(default=1.0, gt=0)
    """CPUs that all processes together may keep busy, where the sandbox can bound it."""
    output_bytes: int = Field(default=64 * 1024, ge=0)
    """Bytes kept of stdout and of stderr each; the rest is read and thrown away."""
    value_bytes: int = Field(default=1 * MIB, ge=64)
    """Bytes of one JSON value or frame that comes back."""
    processes: int = Field(default=64, ge=1)
    """Processes and threads at once."""
    open_files: int = Field(default=64, ge=16)
    """File descriptors for each process."""
    files: int = Field(default=4096, ge=16)
    """Files and folders at once in the writable scratch folder."""
    file_bytes: int = Field(default=16 * MIB, ge=0)
    """Bytes of one written file."""
    scratch_bytes: int = Field(default=64 * MIB, ge=1 * MIB)
    """Bytes of the writable scratch folder, which lives in memory."""
    result_bytes: int = Field(default=16 * MIB, ge=0)
    """Bytes of all files together that `run` brings back."""


class Variation(Frozen):
    """What surrounds a call and may not change its value: a sandbox can vary it to find out whether it does."""

    hash_seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Decides on the hashes of texts, and so on the order of sets of them."""
    hostname: str = Field(default="sandbox", pattern=r"^[a-z][a-z0-9-]{0,62}$")
    """Name of the machine inside, where the sandbox gives it one."""
    clock_seconds: float = 0.0
    """What the clocks of `time` and `datetime` are ahead of the machine's."""
    time_zone: str = "UTC"
    """The local time zone, as POSIX writes TZ; a name is found only where the sandbox has time zone files."""
    locale: str = "C"
    """The locale of all categories, where it is installed."""


class Execution(Frozen):
    """One finished command in a sandbox."""

    outcome: Literal["ok", "failed", "limit"]
    """`ok`: exit code 0; `failed`: another exit code or a signal; `limit`: ended by a limit."""
    exit_code: int | None = None
    """The exit code; negative is the signal's number; None when a limit ended it first."""
    limit: str | None = None
    """Name of the `Limits` field that ended the run."""
    stdout: str = ""
    stderr: str = ""
    """Captured output: evidence for people, never parsed for a verdict."""
    truncated: bool = False
    """Whether output was thrown away."""
    seconds: float = 0.0
    """Wall-clock seconds."""
    files: dict[str, bytes] = Field(default_factory=dict)
    """Content of the files that `collect` named, by their path in the working folder. No mode, owner or time
    comes back."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Paths that `collect` named and that were not brought back, each with the reason."""


class CallResult(Frozen):
    """One call of a function in a sandbox: a value, or why there is none."""

    outcome: Literal["value", "exception", "not_json", "limit", "died"]
    """`exception`: the code raised (loading included); `not_json`: the value is not plain, bounded JSON
    (NaN, infinity, cycles, too deep, too large, other types); `limit`: time, memory or output ran out;
    `died`: the process ended without answering."""
    value: JsonValue = None
    error: str = ""
    """For people and for repair prompts: type and message, at most 500 characters."""
    limit: str | None = None
    """Name of the `Limits` field that ended the call, where one did."""
    line: int | None = None
    """Line of the given source at which an exception was raised, where known."""
    stdout: str = ""
    """What the call printed; evidence only."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether a value came back."""
        return self.outcome == "value"
