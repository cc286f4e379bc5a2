"""Loading plugins, and keeping what they register."""

from evolvent.plugins.choice import DisabledPlugins
from evolvent.plugins.host import PluginHost
from evolvent.plugins.registry import Registry

__all__ = ["DisabledPlugins", "PluginHost", "Registry"]
