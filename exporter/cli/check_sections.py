"""What ``--config.check`` prints about the web configuration, high availability and files."""

from collections.abc import Iterator
from importlib.util import find_spec

from exporter.config import Configuration, HighAvailability, WebConfiguration
from exporter.config.errors import location
from exporter.errors import shown
from exporter.fields import duration_text


def describe_high_availability(settings: HighAvailability) -> Iterator[str]:
    """Return the lines about which of several exporters polls."""
    if settings.lease is None:
        does = "polls" if settings.starts_active else "stands by"
        yield (
            f"High availability: the exporter {does} after its start; with --web.enable-lifecycle, POST "
            "requests change that."
        )
        return
    lease = settings.lease
    yield (
        f"High availability: the Lease {lease.namespace}/{lease.name} decides; another exporter takes over "
        f"{duration_text(lease.duration)} after the last renewal, and polls all switches within a sweep."
    )
    if find_spec("kubernetes_asyncio") is None:
        yield "  warning: the client for Kubernetes is missing: pip install 'softswitch-exporter[kubernetes]'"


def describe_web(web: WebConfiguration) -> str:
    """Return one line about the web configuration."""
    tls = web.tls_server_config
    certificates = tls.client_auth_type if tls else "NoClientCert"
    users = len(web.basic_auth_users) or "none, open to all"
    return f"{'HTTPS' if tls else 'HTTP'}, client certificates: {certificates}, users: {users}"


def file_warnings(configuration: Configuration) -> Iterator[str]:
    """Return the patterns without a file, and the key files that probably contain something else."""
    for include in configuration.includes:
        if not include.files:
            yield f"{location(include.place)}: no file matches {shown(include.written)}"
    for key in configuration.keys:
        if key.warning:
            yield f"{key} {key.warning}; the exporter sends its content as it is"
