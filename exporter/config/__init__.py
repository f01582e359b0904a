"""The configuration: ``load`` reads and checks a file, and reports all its problems together.

loader           YAML to a tree, and the tree to models; ``load_web`` reads the file of the web server
schema           the whole file
alerting, queries, tls, thresholds, tenant_settings, business_hours   its sections
web              the file of ``--web.config.file``
fields, keys     types of single values; keys, passwords and their files
proxies          ``proxy_url`` and the variables of the environment
cross_checks     what must fit together between sections
errors           problems as sentences, each with its place
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
