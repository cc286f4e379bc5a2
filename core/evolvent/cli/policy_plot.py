"""The plot of a simulation of policies."""

from __future__ import annotations

from pathlib import Path

from evolvent.errors import UsageError
from evolvent.types import Simulation

__all__ = ["check_plot", "write_plot"]


def check_plot(path: Path) -> None:
    """Refuse a file that could not be written before anything long has run.

    Raises:
        UsageError: it is no .svg file, or its folder is not there.
    """
    if path.suffix != ".svg":
        raise UsageError(f"--plot {str(path)!r}: the plot is an SVG; give a name that ends in .svg")
    if not path.parent.is_dir():
        raise UsageError(f"--plot {str(path)!r}: there is no folder {str(path.parent)!r}; make it first")
    if path.is_dir():
        raise UsageError(f"--plot {str(path)!r} is a folder; give the name of a file")


def write_plot(found: Simulation, path: Path) -> None:
    """Write the champions' true pass rates against evaluations, with 95 % bands, as an SVG.

    The same simulation gives the same bytes.

    Raises:
        UsageError: the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "evolvent", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for outcome in found.outcomes:
            (line,) = axes.plot(
                found.checkpoints, [point.mean for point in outcome.curve], label=outcome.policy
            )
            low, high = [p.low for p in outcome.curve], [p.high for p in outcome.curve]
            axes.fill_between(found.checkpoints, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        axes.set_xlabel("evaluations")
        axes.set_ylabel("true pass rate of the champion")
        axes.set_title(f"{found.world} world, {found.seeds} seeds, 95 % intervals")
        axes.legend(loc="upper left", frameon=False)
        try:
            figure.savefig(path, format="svg", metadata={"Date": None})
        except OSError as error:
            raise UsageError(f"--plot {str(path)!r} cannot be written: {error.strerror}") from error
