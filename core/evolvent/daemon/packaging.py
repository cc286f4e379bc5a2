"""Files that run the daemon under a supervisor: a systemd unit, a docker compose file."""

from __future__ import annotations

import sys
from pathlib import Path

from evolvent.settings import Settings

__all__ = ["compose_file", "unit_file"]

UNIT = """\
# {where}
[Unit]
Description=Evolvent daemon
Documentation=https://evolvent.readthedocs.io
After=network-online.target
Wants=network-online.target

[Service]
# `systemctl start` returns when the daemon takes jobs.
Type=notify
TimeoutStartSec=300
ExecStart={python} -m evolvent daemon start --foreground
Environment={variable}
# Keys and further settings, one NAME=value a line; see docs/reference/settings.md.
EnvironmentFile=-{file}
KillSignal=SIGTERM
# A drain gives running jobs back; a kill after it loses nothing that was acknowledged.
TimeoutStopSec={stop:.0f}
Restart=on-failure
RestartSec=5
# Exit codes 2 and 3: a setting or something that must be installed is wrong, and starting again does not help.
RestartPreventExitStatus=2 3
NoNewPrivileges=yes
ProtectSystem=full
ReadWritePaths={writable}
UMask=0077
Delegate=yes

[Install]
WantedBy={wanted}
"""

COMPOSE = """\
# docker compose up -d     (or docker-compose 1.29 and newer)
# Without EVOLVENT_IMAGE the first start installs evolvent from the package index into the volume, which takes minutes.
# An image that has it starts at once and needs no index; two lines make one: docs/how-to/run-the-daemon.md.
services:
  evolvent:
    image: "${{EVOLVENT_IMAGE:-python:3.12-slim}}"
    depends_on:
      volume:
        condition: service_completed_successfully
    command:
      - sh
      - -ec
      - |
        python3 -c "import evolvent" 2>/dev/null || python3 -m pip install --quiet --no-cache-dir --user evolvent
        python3 -m evolvent tokens list --all --json | grep -q '"compose"' ||
          python3 -m evolvent tokens create compose --scope read >/dev/null
        exec python3 -m evolvent daemon start --foreground
    environment:
      - HOME={volume}
      - USER=evolvent
      - PYTHONUSERBASE={volume}/python
      - EVOLVENT_HOME={volume}/home  # not the volume itself: a restore exchanges this folder
      # Inside the container; the port below is published on the host's loopback only. Where others could reach it the
      # daemon wants a token to exist: the first start makes one that nobody has. A link and a token for you:
      # docker compose exec evolvent python3 -m evolvent dashboard
      # docker compose exec evolvent python3 -m evolvent tokens create NAME --scope submit
      - EVOLVENT_DAEMON_HOST=0.0.0.0
      - EVOLVENT_DAEMON_PORT={port}
      - EVOLVENT_DAEMON_DRAIN_SECONDS={drain:g}  # less than stop_grace_period
      # Taken from the environment of compose, or from a file .env beside this one; docs/reference/settings.md.
{passed}
    ports:
      - "127.0.0.1:{port}:{port}"
    volumes:
      - evolvent-home:{volume}
    # No root and no rights. The sandbox makes user namespaces of its own, which the engine's default filter and profile
    # refuse; nothing else is opened. docs/how-to/run-as-root-or-in-a-container.md.
    user: "{user}"
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "seccomp=unconfined", "apparmor=unconfined"]
    init: true
    # SIGTERM gives running jobs back.
    stop_grace_period: {stop:.0f}s
    restart: unless-stopped
    healthcheck:
      test:
        - CMD
        - python3
        - -c
        - "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/api/v1/health', timeout=5)"
      interval: 10s
      timeout: 10s
      start_period: 600s
  # Gives the volume to the daemon's user, and ends.
  volume:
    image: "${{EVOLVENT_IMAGE:-python:3.12-slim}}"
    command: [chown, "{user}", {volume}]
    user: "0:0"
    cap_drop: [ALL]
    cap_add: [CHOWN]
    network_mode: none
    restart: "no"
    volumes:
      - evolvent-home:{volume}

volumes:
  evolvent-home:
"""
VOLUME = "/var/lib/evolvent"
USER = "10001:10001"
"""Nobody's on most hosts, and not uid 65534, which guests of other daemons have."""
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")
"""What the built-in providers of models look for."""
OWN = {"home", "mode", "allow_unsafe", "sandbox", "daemon_host", "daemon_port", "daemon_drain_seconds"}
"""Settings that the file says itself, or that would open what it closes. Paths of the host are left out, too."""


def unit_file(settings: Settings, *, system: bool = False) -> str:
    """Return a systemd unit for this installation and home.

    Args:
        settings: of the home.
        system: for the whole machine in place of one user.
    """
    where = "/etc/systemd/system/evolvent.service" if system else "~/.config/systemd/user/evolvent.service"
    home = str(settings.home.expanduser().absolute())
    return UNIT.format(
        where=where,
        python=_word(sys.executable),
        variable=_word(f"EVOLVENT_HOME={home}"),
        file=f"{home}/daemon.env".replace("%", "%%"),
        writable=_word(f"-{home}"),  # it may not be there before the first start
        stop=settings.daemon_drain_seconds + 30.0,
        wanted="multi-user.target" if system else "default.target",
    )


def _word(text: str) -> str:
    """Return a text as one word of a unit; systemd splits at blanks and takes `%` for its own.

    Source: systemd.syntax(7), quoting; systemd.unit(5), specifiers.
    """
    text = text.replace("%", "%%")
    if not set(text) & set(" \t\"'\\"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def compose_file(settings: Settings) -> str:
    """Return a docker compose file, which compose 1.29 and 2 take.

    Args:
        settings: whose port and drain it has; other settings are those of the environment in which it is used.
    """
    return COMPOSE.format(
        port=settings.daemon_port or 8765,
        drain=settings.daemon_drain_seconds,
        stop=settings.daemon_drain_seconds + 30.0,
        passed="\n".join(f"      - {name}" for name in (*KEYS, *_passed())),
        volume=VOLUME,
        user=USER,
    )


def _passed() -> list[str]:
    """Return the variables of the settings that mean in a container what they mean outside."""
    fields = Settings.model_fields.items()
    return [
        f"EVOLVENT_{name.upper()}"
        for name, field in fields
        if name not in OWN and field.annotation not in (Path, Path | None)
    ]
