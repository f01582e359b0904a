"""The pages of the exporter.

negotiation   which format and which encoding a scraper is given
metrics       streams a scrape
status        what is known of each switch, as JSON
pages         the landing page
server        routes, and listening
"""

from exporter.web.server import Server, Sources, serve

__all__ = ["Server", "Sources", "serve"]
