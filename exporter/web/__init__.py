"""The pages of the exporter.

server      routes, and everything put together
listener    the addresses that are listened on, and the connections that are accepted
limits      how many connections and requests there may be
access      who may ask for what
passwords   whose password is right, without bcrypt's price for each scrape
web_config  the file of --web.config.file, its TLS context, read again when it changes
streaming   large answers, in slices, and which format and encoding a scraper is given
status      what is known of each switch, as JSON
pages       the status page, from ``templates`` and ``static``
"""

from exporter.web.access import HEALTHY
from exporter.web.limits import raise_descriptor_limit
from exporter.web.listener import EVERY_INTERFACE
from exporter.web.server import Server, Sources, serve
from exporter.web.web_config import WebFile

__all__ = ["EVERY_INTERFACE", "HEALTHY", "Server", "Sources", "WebFile", "raise_descriptor_limit", "serve"]
