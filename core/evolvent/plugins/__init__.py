"""Loading plugins, and keeping what they register."""

from evolvent.plugins.choices import PluginsFile
from evolvent.plugins.host import PluginHost
from evolvent.plugins.registry import Registry

__all__ = ["PluginHost", "PluginsFile", "Registry"]
