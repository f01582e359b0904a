"""Requests through an HTTP proxy, and whether a failure is the proxy's.

::

    session.post(url, **through(proxy, url.scheme))
    failure = proxy_failure(error, proxy)  # or None: then it is the server's
"""

import errno
import os
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp
from yarl import URL

from exporter.config import Proxy


def through(proxy: Proxy | None, scheme: str) -> Mapping[str, Any]:
    """Return the arguments for aiohttp that send a request to a URL of this scheme through the proxy."""
    if proxy is None:
        return {}
    arguments: dict[str, Any] = {"proxy": URL(proxy.url)}
    if proxy.authorization:
        # Only the proxy is to see it: an https request goes to the proxy as CONNECT, with headers of its own.
        where = "proxy_headers" if scheme == "https" else "headers"
        arguments[where] = {"Proxy-Authorization": proxy.authorization}
    return arguments


def is_encrypted(url: str, proxy: Proxy | None) -> bool:
    """Tell whether there is TLS on the way to a URL: to the server, or to the proxy."""
    return any(address.startswith("https:") for address in (url, proxy.url if proxy else ""))


def status_failure(status: int, proxy: Proxy | None) -> str | None:
    """Return what a status says about the proxy, or None where it is not the proxy that answered."""
    if proxy is None or status != HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return None
    if proxy.authorization:
        return f"the proxy in {proxy.source} refuses its user and password (HTTP {status})"
    return (
        f"the proxy in {proxy.source} wants a user and password (HTTP {status}); "
        "write them as http://USER:PASSWORD@HOST:PORT"
    )


def proxy_failure(error: Exception, proxy: Proxy | None) -> str | None:
    """Return what the proxy did wrong, or None where the error is not the proxy's.

    No text of the error itself is used: it may hold the URL, and the key with it.
    """
    if proxy is None:
        return None
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return status_failure(error.status, proxy) or (
            f"the proxy in {proxy.source} answered HTTP {error.status} instead of connecting"
        )
    if isinstance(error, UnicodeError):
        return f"no connection to the proxy: no host can have the name in {proxy.source}"
    if not isinstance(error, aiohttp.ClientConnectorError) or not _was_to(proxy, error):
        return None
    cause = error.os_error
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name of the proxy in {proxy.source} cannot be resolved: {cause.strerror}"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of the proxy in {proxy.source} was not accepted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS to the proxy in {proxy.source} failed: {cause.reason or type(cause).__name__}"
    return f"no connection to the proxy in {proxy.source}: {_words(cause)}"


def _was_to(proxy: Proxy, error: aiohttp.ClientConnectorError) -> bool:
    """Tell whether the connection to the proxy failed, and not the one through it to the server."""
    url = URL(proxy.url)
    return (error.host, error.port) == (url.raw_host, url.port)


def _words(error: OSError) -> str:
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno)  # asyncio's own sentence repeats the address
    return error.strerror or type(error).__name__
