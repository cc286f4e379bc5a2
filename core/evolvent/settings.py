"""Settings: frozen, one docstring and one environment variable a field."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["Settings"]

DEFAULT_MODEL = "local:qwen2.5-coder-1.5b"


class Settings(BaseSettings):
    """How a runtime is set up. Each field reads `EVOLVENT_<FIELD>` when it is not given."""

    model_config = SettingsConfigDict(env_prefix="EVOLVENT_", frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("evolvent")))
    """Folder of all state."""
    models_dir: Path | None = None
    """Folder of embedded models; default `<home>/models`. Set it to share models between homes."""
    model: str = DEFAULT_MODEL
    """`provider:name`; see `evolvent models list`."""
    base_url: str | None = None
    """URL of an OpenAI-compatible endpoint, for `openai:<name>` models."""
    model_timeout: float = Field(default=300.0, gt=0)
    """Seconds that one model call may take."""
    model_retries: int = Field(default=3, ge=0)
    """Retries of a failed model call, with exponential backoff."""
    model_threads: int = Field(default=1, ge=1)
    """Threads of an embedded model. More than one only pays on a machine with idle cores."""
    model_context: int = Field(default=8192, ge=512)
    """Context window of an embedded model, in tokens."""
    embedder: str = "all-minilm-l6-v2"
    """Name of a registered embedder."""
    sandbox: str = "auto"
    """Name of a registered sandbox, or `auto`."""
    allow_unsafe: bool = False
    """Allows the `subprocess` sandbox, which isolates nothing."""
    plugins: str | None = None
    """Names of the only plugins to load, separated by commas; default: all that are installed and enabled."""
    plugin_seconds: float = Field(default=60.0, gt=0)
    """Seconds after which a plugin whose import hangs is given up."""
    hook_seconds: float = Field(default=5.0, gt=0)
    """Seconds after which a call of a plugin's hook is given up, where the plugin declares no other."""
    hook_failures: int = Field(default=3, ge=1)
    """Failures after which a plugin's hook is not called any more in this process. Guards reject for ever instead."""
    trace_plugins: bool = False
    """Prints every call of a plugin's hook, with its time, on stderr."""
    mode: Literal["interactive", "daemon"] = "interactive"
    """Which part of the policy file for tools counts."""
    approvals: Path | None = None
    """The policy file that says what tools may do; default `<home>/approvals.toml`, and without one the defaults."""
    tool_seconds: float = Field(default=60.0, gt=0)
    """Seconds that one call of a tool may take."""
    workspace: Path | None = None
    """Folder that the file tools may read and write; default `<home>/workspace`."""
    http_allow: str = ""
    """Hosts that the http tool may ask, separated by commas: `api.example.org`, `*.example.org`, `localhost:8080`."""
    mcp_config: Path | None = None
    """File of MCP servers whose tools are offered to the agent; default `<home>/mcp.json`."""
    genome: str = "active"
    """The agent program: `active` (what evolution or a person made active, else the seed), `seed`, `bare`, or the id of
    a variant of the archive."""
    strategy: str = "genome"
    """How tasks are solved: `genome` (its task agent), or the name of a registered strategy."""
    curriculum: str = "in-order"
    """Name of a registered curriculum for learning jobs."""
    executor: str = "threads"
    """Name of a registered executor for parallel work."""
    workers: int = Field(default=1, ge=1, le=64)
    """Tasks that a learning job measures at once. More than one pays with a remote model."""
    trials: Literal["judged", "all", "off"] = "judged"
    """In which solves skills that apply are withheld at random, to learn whether they help: where an evaluator judges,
    in all (the others tell of cost alone), or in none."""
    trial_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of those solves that goes without an active skill."""
    probation_share: float = Field(default=0.5, ge=0, lt=1)
    """Share of those solves that goes without a skill on probation."""
    lock_wait: float = Field(default=10.0, ge=0)
    """Seconds to wait for another process that holds the home."""
    daemon_names: str = ""
    """Host names under which the daemon is reached, separated by commas, beside `localhost` and any IP address."""
    daemon_rate: float = Field(default=100.0, gt=0)
    """Requests a second that one token may make on average; twice as many at once."""
    router_threshold: float | None = Field(default=None, ge=-1, le=1)
    """Cosine similarity to a question below which a skill is not tried, in place of the calibrated probability in
    `<home>/retrieval.json`."""

    retrieval_alarm: int = Field(default=50, ge=1)
    """Judged attempts in a row that were offered no skill, although there are some, after which an alarm is raised."""
    claim_seconds: float = Field(default=3600.0, gt=0)
    """Seconds that a claim about the environment (a tool fails, a service is down) is believed before it is probed."""
    claim_max_seconds: float = Field(default=86_400.0, gt=0)
    """Bound of that time; it doubles with each probe that finds the claim true."""
    unproven_days: float = Field(default=30.0, gt=0)
    """Days that a lesson waits for a fresh check before it expires."""
    consolidate_after: int = Field(default=50, ge=0)
    """New lessons after which the memory is consolidated in the background; 0: only by hand and in learning jobs."""

    log_mb: float = Field(default=5.0, gt=0, le=10_000)
    """Megabytes after which the log becomes `evolvent.log.1`, that one `evolvent.log.2`, and so on."""
    log_files: int = Field(default=3, ge=1, le=1000)
    """How many of those are kept."""

    daemon_host: str = "127.0.0.1"
    """Address that the daemon listens on."""
    daemon_port: int = Field(default=8765, ge=0, le=65535)
    """Port that the daemon listens on; 0: any free one."""
    daemon_slots: int = Field(default=1, ge=1, le=64)
    """Jobs that the daemon does at once. More than one pays with a remote model."""
    daemon_drain_seconds: float = Field(default=30.0, ge=0)
    """Seconds that the daemon waits for its jobs to stop when it is told to end."""
    daemon_stall_seconds: float = Field(default=3600.0, gt=0)
    """Seconds without a sign of life after which a job of the daemon is given up."""
    daemon_free_mb: int = Field(default=500, ge=0)
    """Free space on the disk of the home, in megabytes, below which the daemon begins no job."""
    daemon_backup_hours: float = Field(default=24.0, ge=0, le=8760)
    """Hours between the backups that the daemon makes in `<home>/backups`; the newest 7 are kept. 0: none."""
    daemon_idle: str = "evolve,practise@6h,consolidate@1h,audit@24h"
    """What the daemon does when no job waits, separated by commas, each at most once in the time after `@` (`s`, `m`,
    `h`, `d`): evolve (a generation), practise (a learning job), consolidate (the memory), audit (the library). Empty:
    nothing."""
    daemon_suite: str = "reasoning-gym:starter"
    """What is practised and evolved on when no job waits."""
    daemon_quiet_hours: str = ""
    """Hours in local time in which only people's jobs are done, such as `08:00-18:00`."""
    daemon_day_tokens: int | None = Field(default=None, ge=0)
    """Model tokens a day (UTC) after which the daemon pauses."""
    daemon_day_dollars: float | None = Field(default=None, ge=0)
    """US dollars a day (UTC) after which the daemon pauses."""
    daemon_day_cpu_seconds: float | None = Field(default=None, ge=0)
    """CPU seconds a day (UTC) of the daemon and its local sandboxes after which it pauses."""
    daemon_budget: Literal["idle", "all"] = "idle"
    """What a spent day budget pauses: only what is done in idle time, or people's jobs too."""

    @property
    def workspace_path(self) -> Path:
        """Folder of the file tools."""
        return self.workspace or self.home / "workspace"

    @property
    def mcp_path(self) -> Path:
        """File of MCP servers."""
        return self.mcp_config or self.home / "mcp.json"

    @property
    def trust_path(self) -> Path:
        """The trust policy for imported skills."""
        return self.home / "trust.toml"

    @property
    def signing_key_path(self) -> Path:
        """The minisign key that signs exported skills."""
        return self.home / "signing.key"

    @property
    def approvals_path(self) -> Path:
        """The policy file for tools."""
        return self.approvals or self.home / "approvals.toml"

    @property
    def models_path(self) -> Path:
        """Folder of embedded models."""
        return self.models_dir or self.home / "models"
