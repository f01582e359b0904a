"""Whether a URL can be used. No message repeats it: a key is easily pasted into a URL."""

import re
from urllib.parse import SplitResult, urlsplit

from exporter.config.mistakes import refuse_invisible, refuse_template
from exporter.wording import single

# ASCII alone: beyond it two libraries need not agree on which host is meant.
_HOST = re.compile(r"[\w~-]([\w.~-]*[\w.~-])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*", re.ASCII)


def checked_url(value: object) -> str:
    """Return the URL of a service: http or https, a host and a path at most. Else raises ValueError."""
    url = _checked(value, "write one such as https://pbx.example.com/pbx/proxyapi.php")
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("has a user or password in it, which would be shown; take them out")
    if "?" in url or "#" in url:
        raise ValueError(
            "has a query (?) or fragment (#); take it out, the exporter adds the parameters and the key"
        )
    return url


def checked_proxy_url(value: object) -> str:
    """Return the URL of a proxy: http or https, with user and password if need be. Else raises ValueError."""
    return _checked(
        value,
        "write one such as http://proxy.example.com:3128, and / ? # @ % in a password as %2F %3F %23 %40 %25",
    )


def _checked(value: object, advice: str) -> str:
    url = single(value)
    refuse_invisible(url)
    refuse_template(url)
    try:
        parts = urlsplit(url)
        usable = _usable(url, parts)
    except ValueError:  # brackets without an IPv6 address in them, or a port that is no port
        usable = False
    if not usable:
        raise ValueError(f"is not a URL that can be used; {advice}")
    return url


def _usable(url: str, parts: SplitResult) -> bool:
    return (
        parts.scheme in {"http", "https"}
        and bool(_HOST.fullmatch(parts.hostname or ""))
        and parts.port != 0
        and url.isprintable()
        and not any(letter.isspace() or letter == "\\" for letter in url)
    )
