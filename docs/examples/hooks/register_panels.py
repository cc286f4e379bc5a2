"""A panel with the states of the skills: `evolvent panels show skill-states`."""

from collections import Counter

from evolvent import hookimpl
from evolvent.types import PanelData


class SkillStates:
    title = "Skills by state"

    def show(self, view):
        states = Counter(skill.state.value for skill in view.skills())
        return PanelData(columns=("state", "skills"), rows=tuple(sorted(states.items())))


@hookimpl
def register_panels(register):
    register("skill-states", SkillStates())
