"""The pages of the exporter.

negotiation   which format and which encoding a scraper is given
metrics       a scrape
streaming     large answers, in slices
limits        how much scrapers can make the exporter do at a time
status        what is known of each switch, as JSON, with
    queries, tenants    a part of it each
    slices              long work in short pieces
pages         the status page; it is made of ``templates``, which ``template`` loads, and ``static``
passwords     whose password is right, without bcrypt's price for each scrape
fair_queue    a queue in which nobody keeps others out
access        who may ask for what
hosts         for which hosts the status is shown
tls           how connections are made safe
web_file      the file of --web.config.file, read again when it changes
addresses     one socket for every interface, over IPv4 and IPv6
listening     the addresses that are listened on
accepting     accepts connections, with TLS or without
connections   how many connections there may be, and which one ends when there are more
bad_requests  what is logged of requests that are not HTTP
server        routes, and everything put together
"""

from exporter.web.access import HEALTHY
from exporter.web.addresses import EVERY_INTERFACE
from exporter.web.connections import raise_descriptor_limit
from exporter.web.server import Server, Sources, serve
from exporter.web.web_file import WebFile

__all__ = ["EVERY_INTERFACE", "HEALTHY", "Server", "Sources", "WebFile", "raise_descriptor_limit", "serve"]
