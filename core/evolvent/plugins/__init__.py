"""Loading plugins, calling their hooks, and keeping what they register."""

from evolvent.plugins.around import NodeSurround
from evolvent.plugins.choices import PluginsFile
from evolvent.plugins.guards import decide
from evolvent.plugins.host import PluginHost
from evolvent.plugins.registry import Registry
from evolvent.plugins.relay import RELAY, Call, TookTooLong
from evolvent.plugins.tool_registry import OfferedTool, RegisteredTool

__all__ = [
    "RELAY",
    "Call",
    "NodeSurround",
    "OfferedTool",
    "PluginHost",
    "PluginsFile",
    "RegisteredTool",
    "Registry",
    "TookTooLong",
    "decide",
]
