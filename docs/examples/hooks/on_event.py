"""Write every finished run into a file, a line each."""

from pathlib import Path

from evolvent import Settings, hookimpl


@hookimpl
def on_event(event):
    if event.kind == "run.finished":
        with Path(Settings().home, "finished.log").open("a", encoding="utf-8") as file:
            file.write(f"{event.at.isoformat()} {event.run_id} {event.status}\n")
