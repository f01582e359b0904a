"""The web server of the exporter.

server      routes, start and stop
listener    listening sockets and accepted connections
limits      limits on connections, concurrent requests and their duration
access      client certificates, passwords, hosts, cross-site requests
passwords   basic authentication without the cost of bcrypt on every scrape
web_config  the file of --web.config.file, and loading it again when it changes
lifecycle   reload, poll and stand by, by POST
responses   scrapes, pages and static files, written in slices
discovery   the parts of a scrape by switch, and the targets for service discovery
runbooks    one page per alert: its runbook and what is firing; ``markdown`` renders the text

pages           the status page, the pages of tenants and the JSON (``templates``, ``static``)
status          the state of each switch, as JSON; with ``query_state`` and ``tenant_rows``
conditions      which conditions of alerts the current values meet
current_alerts  the alerts of the latest evaluation, corrected by these conditions
problems        what is wrong, worst first; with ``problem_words`` and ``headline``
unknown_values  what is not known
tenant_detail   everything about one tenant
formatting      numbers, durations and untrusted text
"""

from exporter.web.access import HEALTHY
from exporter.web.lifecycle import Lifecycle
from exporter.web.limits import raise_descriptor_limit
from exporter.web.listener import EVERY_INTERFACE
from exporter.web.server import Server, Sources, serve
from exporter.web.web_config import WebFile

__all__ = [
    "EVERY_INTERFACE",
    "HEALTHY",
    "Lifecycle",
    "Server",
    "Sources",
    "WebFile",
    "raise_descriptor_limit",
    "serve",
]
