"""Files that run the daemon under a supervisor: a systemd unit, a docker compose file."""

from __future__ import annotations

import sys

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
Type=exec
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
# docker compose up -d
services:
  evolvent:
    image: python:3.12-slim
    command: >
      sh -c "pip install --quiet --root-user-action=ignore evolvent
      && (evolvent tokens list --all --json | grep -q compose || evolvent tokens create compose --scope read >/dev/null)
      && exec evolvent daemon start --foreground"
    environment:
      EVOLVENT_HOME: /var/lib/evolvent/home  # not the volume itself: a restore exchanges this folder
      # Inside the container; the port below is published on loopback only. Where others could reach it the daemon
      # wants a token to exist: the first start makes one that nobody has. A link for you:
      # docker compose exec evolvent evolvent dashboard
      EVOLVENT_DAEMON_HOST: 0.0.0.0
      EVOLVENT_DAEMON_PORT: "{port}"
    env_file:
      - path: evolvent.env  # keys and further settings
        required: false
    ports:
      - "127.0.0.1:{port}:{port}"
    volumes:
      - evolvent-home:/var/lib/evolvent
      - evolvent-pip:/root/.cache/pip
    # The sandbox makes user namespaces of its own inside the container; docs/how-to/run-as-root-or-in-a-container.md.
    security_opt: [seccomp=unconfined, apparmor=unconfined, systempaths=unconfined]
    init: true
    stop_grace_period: {stop:.0f}s
    restart: on-failure
    healthcheck:
      test: ["CMD", "python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}/api/v1/ready')"]
      interval: 30s
      start_period: 120s

volumes:
  evolvent-home:
  evolvent-pip:
"""


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
    """Return a docker compose file."""
    return COMPOSE.format(port=settings.daemon_port or 8765, stop=settings.daemon_drain_seconds + 30.0)
