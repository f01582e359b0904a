"""The configuration: ``load`` reads and checks a file, and reports all its problems together.

loader           YAML to a tree, and the tree to models; ``load_web`` reads the file of the web server
schema           the whole file
alerting, connection, tenant_settings, thresholds   its sections
web              the file of ``--web.config.file``
fields, keys     types of single values; keys, passwords and their files
cross_checks     what must fit together between sections
errors           problems as sentences, each with its place
"""

from exporter.config.alerting import AlertingConfiguration, AlertmanagerConfiguration
from exporter.config.connection import Proxy, TlsConfiguration
from exporter.config.keys import Key
from exporter.config.loader import load, load_web
from exporter.config.schema import (
    Configuration,
    DiscoveryConfiguration,
    NodeConfiguration,
    QueriesConfiguration,
    SwitchConfiguration,
)
from exporter.config.tenant_settings import (
    BusinessHours,
    TenantConfiguration,
    TenantDefaults,
    TenantSettings,
)
from exporter.config.thresholds import Thresholds
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
