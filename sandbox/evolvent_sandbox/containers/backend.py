"""Guests in containers: the strongest walls, for the price of an engine and an image."""

from __future__ import annotations

import random
import shlex
from pathlib import Path
from typing import Any

from evolvent.errors import MissingPrerequisite, SandboxLost
from evolvent.types import Limits
from evolvent_sandbox.backend import WARM_GUESTS, GuestSandbox, boot_command, environment
from evolvent_sandbox.containers.container import AttachedStream, ContainerGuest
from evolvent_sandbox.containers.engine import BUILD_COMMAND, Engine
from evolvent_sandbox.containers.profile import profile
from evolvent_sandbox.containers.reaper import GUEST_LABEL, OWNER_LABEL, owner, reap
from evolvent_sandbox.guests import Shape
from evolvent_sandbox.staging import content_hash

__all__ = ["PACKAGES", "PYTHON_LABEL", "WORK", "DockerSandbox", "guest_hash"]

WORK = "/work"
PACKAGES = "/opt/evolvent"
PYTHON_LABEL = "dev.evolvent.python"
SHARED_MEMORY_BYTES = 1024 * 1024
USERS = range(20_000, 60_000)
"""Each container runs as a user of its own: the kernel counts a user's processes over all containers."""
SPARE_PROCESSES = 8
OPEN_FILES = 1024
RUNSC = "runsc"
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/devices",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class DockerSandbox(GuestSandbox):
    """No network, a read-only root, no rights, a call filter, a user of its own, all resources bounded."""

    name = "docker"

    def __init__(
        self,
        limits: Limits | None = None,
        warm_guests: int = WARM_GUESTS,
        engine: Engine | None = None,
        image: str | None = None,
    ) -> None:
        """Remove what a crash left behind, find the image and start the first containers.

        Args:
            limits: used where a call gives none.
            warm_guests: containers to keep ready.
            engine: by default that of the environment.
            image: its id; by default the newest that was built for this version.

        Raises:
            MissingPrerequisite: no engine answers, or the image has not been built.
        """
        self._engine = engine or Engine.connect()
        try:
            reap(self._engine)
            self._facts = self._engine.facts()
            self._image, labels = find_image(self._engine, image)
        except SandboxLost as lost:
            raise MissingPrerequisite(
                f"the Docker engine at {self._engine.address} does not do its work: {lost}",
                "EVOLVENT_SANDBOX=bubblewrap",
            ) from None
        self._interpreter = shlex.split(labels[PYTHON_LABEL])
        self._profile = profile()
        self._owner = owner()
        self._runtime = RUNSC if RUNSC in self._facts.get("Runtimes", {}) else None
        if self._runtime:  # it applies no filter of ours, so that a call can change settings of process 1
            self._reuse_calls = 0
        super().__init__(limits, warm_guests)

    def _python(self) -> list[str]:
        return self._interpreter

    def _explain(self, lost: SandboxLost) -> SandboxLost | MissingPrerequisite:
        if "No such image" in str(lost):
            return MissingPrerequisite(f"the sandbox's image is gone: {lost}", BUILD_COMMAND)
        return lost

    def _launch(self, shape: Shape) -> ContainerGuest:
        user = random.choice(USERS)  # noqa: S311 - no secret; two of one number share a count, no more
        with self._engine.asking("create a container") as api:
            container = api.create_container(
                self._image,
                boot_command(self._interpreter, PACKAGES, None, True, WORK),
                user=f"{user}:{user}",
                stdin_open=True,
                network_disabled=True,
                hostname=shape.hostname,
                working_dir=WORK,
                environment=environment(shape),
                labels={GUEST_LABEL: guest_hash(), OWNER_LABEL: self._owner},
                host_config=self._host_config(shape, user),
            )["Id"]
        try:
            stream = AttachedStream(self._engine.attach(container))
        except BaseException:
            with self._engine.asking("remove a container") as api:
                api.remove_container(container, force=True, v=True)
            raise
        guest = ContainerGuest(self._engine, container, stream)
        try:
            with self._engine.asking("start a container") as api:
                api.start(container)
        except BaseException:
            guest.kill()
            raise
        return guest

    def _host_config(self, shape: Shape, user: int) -> dict[str, Any]:
        from docker.types import LogConfig, Ulimit

        own = f"rw,nosuid,nodev,noexec,uid={user},gid={user},mode=0700"
        config: dict[str, Any] = self._engine.api.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true", f"seccomp={self._profile}"],
            ipc_mode="none",
            cgroupns="private",
            runtime=self._runtime,
            init=False,  # our guest is the first process itself: see docs/adr/0008
            log_config=LogConfig(type="none"),
            pids_limit=shape.processes + SPARE_PROCESSES,
            mem_limit=shape.total_memory_bytes,
            memswap_limit=shape.total_memory_bytes,
            nano_cpus=int(shape.cpus * 10**9),
            ulimits=[
                Ulimit(name="core", soft=0, hard=0),
                Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),
                Ulimit(name="fsize", soft=shape.scratch_bytes, hard=shape.scratch_bytes),
            ],
            tmpfs={
                WORK: f"{own},size={shape.scratch_bytes},nr_inodes={shape.files}",
                "/dev/shm": f"{own},size={SHARED_MEMORY_BYTES},nr_inodes=64",  # noqa: S108
            },
        )
        return {**config, "MaskedPaths": list(MASKED), "ReadonlyPaths": list(READ_ONLY)}

    def describe(self) -> dict[str, str]:
        """Return facts for `evolvent doctor`."""
        return {
            "backend": self.name,
            "engine": f"Docker {self._facts.get('ServerVersion', '?')} at {self._engine.address}, "
            f"runtime {self._runtime or self._facts.get('DefaultRuntime', '?')}",
            "image": self._image,
            "interpreter": shlex.join(self._interpreter),
            "user": f"a uid of its own for each container, from {USERS.start} to {USERS.stop - 1}",
            "isolation": "a container without network, capabilities and writable root; "
            + ("a kernel of its own (gVisor)" if self._runtime else "seccomp allow-list"),
            "memory": f"bounded by a control group (v{self._facts.get('CgroupVersion', '?')})",
        }

    def close(self) -> None:
        """Remove every container that it started. May be called twice."""
        super().close()
        self._engine.close()


def guest_hash() -> str:
    """Return the hash of the code that an image must hold to serve this version."""
    return content_hash((Path(__file__).parents[1] / "guest").glob("*.py"))


def find_image(engine: Engine, image: str | None = None) -> tuple[str, dict[str, str]]:
    """Return id and labels of an image, by default the newest that was built for this version.

    Raises:
        MissingPrerequisite: there is none, or it was built for another version.
        SandboxLost: the engine is gone.
    """
    wanted = guest_hash()
    with engine.asking("list its images") as api:
        found = api.images(filters={"label": GUEST_LABEL})
    built = [entry for entry in found if image is None or entry["Id"] == image]
    fitting = [entry for entry in built if entry["Labels"].get(GUEST_LABEL) == wanted]
    if not fitting:
        what = "has not been built" if not built else "was built for another version of Evolvent"
        raise MissingPrerequisite(
            f"the sandbox's image {what} at the Docker engine {engine.address}", BUILD_COMMAND
        )
    newest = max(fitting, key=lambda entry: entry["Created"])
    return str(newest["Id"]), dict(newest["Labels"])
