"""The configuration: ``load`` reads a file and returns what it says, checked, or tells every problem at once.

In the order of reading: ``yaml_file`` (text to tree), ``schema`` and the modules of its sections (tree to
models), ``checks`` (what must fit together), ``problems`` (what is told), ``settings`` (what holds for a
tenant in the end). ``load_web`` does the same for the file of the web server, whose schema is ``web``.
"""

from exporter.config.alerting import AlertingConfiguration, AlertmanagerConfiguration
from exporter.config.business_hours import BusinessHours
from exporter.config.keys import Key
from exporter.config.loader import load, load_web
from exporter.config.proxies import Proxy
from exporter.config.queries import QueriesConfiguration
from exporter.config.schema import (
    Configuration,
    DiscoveryConfiguration,
    NodeConfiguration,
    SwitchConfiguration,
)
from exporter.config.tenant_settings import TenantConfiguration, TenantDefaults, TenantSettings
from exporter.config.thresholds import Thresholds
from exporter.config.tls import TlsConfiguration
from exporter.config.web import TlsServerConfiguration, WebConfiguration

__all__ = [
    "AlertingConfiguration",
    "AlertmanagerConfiguration",
    "BusinessHours",
    "Configuration",
    "DiscoveryConfiguration",
    "Key",
    "NodeConfiguration",
    "Proxy",
    "QueriesConfiguration",
    "SwitchConfiguration",
    "TenantConfiguration",
    "TenantDefaults",
    "TenantSettings",
    "Thresholds",
    "TlsConfiguration",
    "TlsServerConfiguration",
    "WebConfiguration",
    "load",
    "load_web",
]
