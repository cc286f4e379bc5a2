"""A mutation operator that makes a prompt shorter by one of its lines."""

from evolvent import hookimpl
from evolvent.types import Modification


class Shorten:
    def propose(self, context):
        before = dict(context.files(context.parent.id))
        prompts = sorted(path for path, text in before.items() if path.endswith(".md") and "\n" in text)
        if not prompts:
            return None
        path = context.rng.choice(prompts)
        lines = before[path].splitlines(keepends=True)
        del lines[context.rng.randrange(len(lines))]
        after = {**before, path: "".join(lines)}
        return Modification(
            parent=context.parent.id, before=before, after=after, hypothesis=f"{path} has a line too many"
        )


@hookimpl
def register_operators(register):
    register("shorten", lambda settings: Shorten())
