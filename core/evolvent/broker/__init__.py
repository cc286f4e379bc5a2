"""What a guest may ask for, and the one place where it is answered."""

from evolvent.broker.broker import Answered, Broker, Capability
from evolvent.broker.meter import BudgetSpent, Meter
from evolvent.broker.model_calls import ModelCaller
from evolvent.broker.offered_tools import OfferedTools
from evolvent.broker.requests import REQUESTS
from evolvent.broker.stopping import Stops
from evolvent.broker.tool_policy import DEFAULT_POLICY, ToolPolicy, load_policy
from evolvent.broker.toolbox import Ask, SessionTool, Toolbox

__all__ = [
    "DEFAULT_POLICY",
    "REQUESTS",
    "Answered",
    "Ask",
    "Broker",
    "BudgetSpent",
    "Capability",
    "Meter",
    "ModelCaller",
    "OfferedTools",
    "SessionTool",
    "Stops",
    "ToolPolicy",
    "Toolbox",
    "load_policy",
]
