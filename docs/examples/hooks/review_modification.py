"""A guard that lets a person look at every change of the meta agent."""

from evolvent import Decision, hookimpl


@hookimpl
def review_modification(modification):
    if "meta_agent.py" in modification.changed:
        return Decision(verdict="escalate", reason="the meta agent changes how it changes itself")
    return None
