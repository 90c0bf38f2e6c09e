"""Which plugins there are: the built-in ones, and how they are loaded together with those of the environment."""

from __future__ import annotations

from collections.abc import Callable

from segops.core.plugins import Plugins
from segops.environment import read_environment

BUILT_IN_PLUGINS = {
    "transports": "segops.transports",
    "local": "segops.local.plugin",
    "ai_referrer": "segops.plugins.ai_referrer",
    "demo": "segops.plugins.demo",
    "listing": "segops.listing",
}
"""Where the built-in plugins are, by name. Each client imports them: what is costly in them is loaded on use."""


def load_plugins(report: Callable[[Exception], None]) -> Plugins:
    """Load what a client would load that is given no plugins of its own.

    Args:
        report: Is told about broken plugins, each a `SegOpsPluginError` that names the plugin and where it is from.
    """
    return Plugins(BUILT_IN_PLUGINS, selection=read_environment().plugins, report=report)
