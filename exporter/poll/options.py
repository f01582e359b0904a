"""What the configuration says about reading the answers to a query."""

from collections.abc import Mapping

from exporter.config import SwitchConfiguration
from exporter.decode import Options
from exporter.model import Query


def options(query: Query, configuration: SwitchConfiguration) -> Options:
    """Return the options for decoding the answers to a query."""
    queries = configuration.queries
    match query:
        case Query.PEERS:
            return Options(total_name=queries.peers.total_name)
        case Query.CHANNELS:
            return Options(total_name=queries.channels.total_name)
        case Query.CALLS:
            return Options(pattern=queries.calls.pattern)
        case Query.LICENSE:
            return Options(pattern=queries.license.pattern)
        case Query.BALANCE:
            return Options(pattern=queries.balance.pattern)
        case Query.REGISTRATIONS:
            return Options(words=queries.registrations.words)
        case _:
            return Options()


def all_options(configuration: SwitchConfiguration) -> Mapping[Query, Options]:
    """Return the options of every query, made once: they do not change from one answer to the next."""
    return {query: options(query, configuration) for query in Query}
