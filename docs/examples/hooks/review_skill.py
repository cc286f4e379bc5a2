"""A guard that wants skills to say when they are to be used."""

from evolvent import Decision, hookimpl


@hookimpl
def review_skill(proposal):
    if " when " not in f" {proposal.description.lower()} ":
        return Decision(verdict="reject", reason="the description does not say when to use it")
    return None
