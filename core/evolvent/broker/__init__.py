"""What a guest may ask for, and the one place where it is answered."""

from evolvent.broker.broker import Answered, Broker, Capability
from evolvent.broker.meter import BudgetSpent, Meter
from evolvent.broker.model_calls import ModelCaller
from evolvent.broker.requests import REQUESTS

__all__ = ["REQUESTS", "Answered", "Broker", "BudgetSpent", "Capability", "Meter", "ModelCaller"]
