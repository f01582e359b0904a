"""The configuration. ``load`` reads and checks a file, and reports all problems together.

loader           reads YAML, validates it, and collects the problems
schema           the whole file
alerting, business_hours, connection, high_availability, tenant_settings, thresholds   its sections
web              the file of ``--web.config.file``
fields, keys     types of single values; keys, passwords and their files
cross_checks     conflicts between sections
errors           problems as messages
placeholders     what was not expanded or replaced
include          further files with tenants
tree             YAML as a tree of texts, with positions
json_schema      the JSON Schema, for editors
"""

from exporter.config.alerting import AlertingConfiguration, AlertmanagerConfiguration
from exporter.config.business_hours import BusinessHours
from exporter.config.connection import Proxy, TlsConfiguration
from exporter.config.high_availability import HighAvailability, LeaseConfiguration
from exporter.config.keys import Key
from exporter.config.loader import load, load_web
from exporter.config.schema import Configuration, SwitchConfiguration
from exporter.config.tenant_settings import TenantSettings
from exporter.config.web import TlsServerConfiguration, WebConfiguration

__all__ = [
    "AlertingConfiguration",
    "AlertmanagerConfiguration",
    "BusinessHours",
    "Configuration",
    "HighAvailability",
    "Key",
    "LeaseConfiguration",
    "Proxy",
    "SwitchConfiguration",
    "TenantSettings",
    "TlsConfiguration",
    "TlsServerConfiguration",
    "WebConfiguration",
    "load",
    "load_web",
]
