"""Do folders, copies, history and ledger agree? What can be mended is mended, the rest is named with what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from evolvent.errors import IntegrityError
from evolvent.library.contents import walk_files
from evolvent.library.format import read_moves
from evolvent.library.lifecycle import MoveListener, move_key
from evolvent.library.mirror import Mirror
from evolvent.library.quarantine import confine, refusals
from evolvent.library.retest import retest, settle
from evolvent.library.store import SkillStore
from evolvent.protocols import FunctionServer
from evolvent.types import Frozen, Skill, SkillState

__all__ = ["Finding", "FindingKind", "audit"]

FindingKind = Literal[
    "failing",
    "repaired",
    "unreadable",
    "changed",
    "orphaned",
    "duplicate",
    "stale",
    "secret",
    "unproven",
    "untold",
]
"""`failing`: its own tests; `repaired`: mended when the library was opened; `unreadable`: a folder that was
skipped; `changed`: a file that is no part of the version differs from its copy; `orphaned`: something that
belongs to no skill; `duplicate`: two skills with one content; `stale`: long unused; `secret`: text or
code that admission refuses; `unproven`: active without trials or a person's word; `untold`: a move that the ledger
had not heard of."""


class Finding(Frozen):
    """One thing that is not as it should be."""

    kind: FindingKind
    skill: str
    what: str
    mended: bool = False
    remedy: str = ""
    """What a person can do."""


def audit(
    store: SkillStore,
    *,
    tell: MoveListener | None = None,
    told: frozenset[str] = frozenset(),
    used: Mapping[str, datetime] | None = None,
    unused_days: int = 90,
    now: datetime | None = None,
    functions: FunctionServer | None = None,
) -> list[Finding]:
    """Look at everything that is kept of a library, and return what was found, worst first.

    Args:
        store: an open library.
        tell: writes a move into the ledger; those that are not there yet are told again.
        told: the keys of the moves that the ledger has; see `lifecycle.move_key`.
        used: when each skill last applied, as far as is known.
        unused_days: days without use after which a skill is called stale.
        now: the present; for tests.
        functions: a sandbox that runs the tests of every skill again; those in use that fail become stale, stale ones
            that pass come back.

    Raises:
        SandboxLost: the sandbox itself failed.
    """
    found = [*_opened(store), *_moves(store, tell, told), *_contents(store), *_duplicates(store)]
    found += [*_orphans(store), *_unused(store, used or {}, unused_days, now or datetime.now(UTC))]
    if functions is not None:
        found += _tests(store, functions)
    order = (
        "failing",
        "secret",
        "unreadable",
        "repaired",
        "changed",
        "untold",
        "orphaned",
        "duplicate",
        "stale",
        "unproven",
    )
    return sorted(found, key=lambda finding: (order.index(finding.kind), finding.skill, finding.what))


def _opened(store: SkillStore) -> Iterator[Finding]:
    for problem in store.problems():
        kind, _, rest = problem.partition(" ")
        name = rest.split("/")[0].split(":")[0]
        if kind in ("repaired:", "recovered:"):
            yield Finding(kind="repaired", skill=name, what=problem, mended=True)
        else:
            remedy = f"mend or remove the folder {name!r}; proposals of the same name can replace it"
            yield Finding(kind="unreadable", skill=name, what=problem, remedy=remedy)


def _moves(store: SkillStore, tell: MoveListener | None, told: frozenset[str]) -> Iterator[Finding]:
    """Find moves that a kill left out of the ledger, and states that no move explains."""
    for skill in store.list():
        try:
            moves = read_moves(store.folder(skill.name))
        except IntegrityError as error:
            yield Finding(kind="unreadable", skill=skill.name, what=str(error))
            continue
        if moves and moves[-1].after is not skill.state:
            what = f"SKILL.md says {skill.state.value}, but its last move was to {moves[-1].after.value}"
            remedy = f"evolvent skills rollback {skill.name}, or retire it with a reason"
            yield Finding(kind="changed", skill=skill.name, what=what, remedy=remedy)
        for number, move in enumerate(moves, 1):
            if tell is not None and move_key(skill, move, number) not in told:
                tell(skill.model_copy(update={"state": move.after}), move, number)
                what = f"the ledger had not heard of its move to {move.after.value}"
                yield Finding(kind="untold", skill=skill.name, what=what, mended=True)


def _contents(store: SkillStore) -> Iterator[Finding]:
    """Read every file of every skill in use: copies must be equal, and nothing may be hidden in them."""
    mirror = Mirror(store.root.parent / "mirror", store.root.parent / "damaged")
    for skill in store.list():
        folder = store.folder(skill.name)
        texts = []
        for relative in walk_files(folder):
            content = (folder / relative).read_bytes()
            texts.append(content.decode("utf-8", "replace"))
        if folder.parent == store.root:
            if mirror.files(skill.name) is None:
                mirror.keep(skill.name, folder)
                what = "its copy under mirror/ could not be read; it is new now"
                yield Finding(kind="repaired", skill=skill.name, what=what, mended=True)
            changed = mirror.differs(skill.name, folder)
            if changed:
                what = f"changed since it was written: {', '.join(changed[:5])}"
                remedy = f"evolvent skills test {skill.name}; the next change of its state takes the folder as it is"
                yield Finding(kind="changed", skill=skill.name, what=what, remedy=remedy)
        yield from _refused(store, skill, texts)


def _refused(store: SkillStore, skill: Skill, texts: list[str]) -> Iterator[Finding]:
    """Name what admission would refuse, and take a skill out of use that holds it."""
    reasons = refusals(skill, texts)
    confined = confine(store, skill, reasons)
    remedy = f"evolvent skills retire {skill.name} --reason ..., and change what leaked"
    if confined:
        remedy += f"; where it is harmless: evolvent skills release {skill.name} --reason ..."
    for reason in reasons:
        said = f"{reason}; it is quarantined now" if confined else reason
        yield Finding(kind="secret", skill=skill.name, what=said, remedy=remedy)


def _duplicates(store: SkillStore) -> Iterator[Finding]:
    """Find skills in use whose script, or whose body where there is none, is the same."""
    groups: dict[tuple[str, str], list[Skill]] = defaultdict(list)
    for skill in store.usable():
        key = ("script", skill.script) if skill.script is not None else ("body", skill.body)
        groups[key].append(skill)
    for (what, _), group in groups.items():
        for twin in group[1:]:
            remedy = f"evolvent skills retire {twin.name} --reason 'the same as {group[0].name}'"
            said = f"has the same {what} as {group[0].name!r}"
            yield Finding(kind="duplicate", skill=twin.name, what=said, remedy=remedy)


def _tests(store: SkillStore, functions: FunctionServer) -> Iterator[Finding]:
    for skill in store.list():
        if not skill.state.usable and skill.state is not SkillState.STALE:
            continue
        outcomes = retest(store, skill, functions)
        failed = sum(not outcome.passed for outcome in outcomes)
        remedy = f"evolvent skills test {skill.name}; evolvent skills rollback {skill.name}"
        if failed and skill.pinned:
            what = f"fails {failed} of its {len(outcomes)} tests, and is pinned"
            yield Finding(kind="failing", skill=skill.name, what=what, remedy=remedy)
            continue
        moved = settle(store, skill, outcomes)
        if moved is not None:
            kind: FindingKind = "repaired" if moved.state.usable else "failing"
            what = f"{store.moves(skill.name)[-1].reason}; it is {moved.state.value} now"
            yield Finding(kind=kind, skill=skill.name, what=what, mended=moved.state.usable, remedy=remedy)


def _orphans(store: SkillStore) -> Iterator[Finding]:
    names = {skill.name for skill in store.list()}
    history = store.root.parent / "history"
    for folder in sorted(history.iterdir()) if history.is_dir() else ():
        if folder.name not in names:
            remedy = (
                f"put a version back by copying it to skills/{folder.name}, or leave it: nothing reads it"
            )
            what = f"history of {folder.name!r}, which is no skill any more"
            yield Finding(kind="orphaned", skill=folder.name, what=what, remedy=remedy)
    for path in _strays(store.root):
        what = f"{path.name} among the skills is no folder of a skill"
        yield Finding(kind="orphaned", skill=path.name, what=what, remedy="move it elsewhere")


def _strays(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if not path.name.startswith((".", "_")) and not path.is_dir():
            yield path


def _unused(store: SkillStore, used: Mapping[str, datetime], days: int, now: datetime) -> Iterator[Finding]:
    for skill in store.usable():
        folder = store.folder(skill.name)
        if folder.parent != store.root:
            continue
        moves = read_moves(folder)
        if skill.state.value == "active" and moves and not any(m.by in ("trials", "person") for m in moves):
            what = "is active, but neither trials nor a person made it so"
            yield Finding(kind="unproven", skill=skill.name, what=what)
        since = max(
            [*(m.at for m in moves), *([used[skill.name]] if skill.name in used else [])], default=None
        )
        if since is not None and now - since > timedelta(days=days):
            remedy = f"evolvent skills test {skill.name}, or evolvent skills retire {skill.name} --reason ..."
            what = f"was not needed since {since:%Y-%m-%d}"
            yield Finding(kind="stale", skill=skill.name, what=what, remedy=remedy)
