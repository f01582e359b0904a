import tempfile
from pathlib import Path

import bcrypt
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.config import WebConfiguration, load_web
from exporter.errors import ConfigurationError
from tests.certificates import Authority

RULES = Path(__file__).parents[2] / "fixtures" / "config" / "web-rules.yaml"
PAIR = "cert_file: server.pem, key_file: server.key"
HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
"""The example of the toolkit's documentation, as htpasswd writes them."""


@pytest.fixture(scope="module")
def directory(authority_of_module: Authority) -> Path:
    """Create the files that the rules name."""
    for name in ("server", "other"):
        authority_of_module.issue(name)
    return authority_of_module.directory


def _load(directory: Path, text: str | bytes) -> WebConfiguration:
    file = directory / "web.yml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_web(file)


@pytest.mark.parametrize("rule", yaml.safe_load(RULES.read_text(encoding="utf-8")))
def test_rules(directory: Path, rule: dict[str, str]) -> None:
    """Each file has one error."""
    tls = rule.get("tls", "")
    text = rule.get("file", f"tls_server_config: {{{PAIR}, {tls[1:]}")

    with pytest.raises(ConfigurationError) as caught:
        _load(directory, text)

    expected = rule["problems"].replace("DIRECTORY", str(directory)).splitlines()
    assert list(caught.value.problems) == expected


def test_all_settings(directory: Path) -> None:
    """Paths are relative to the file."""
    web = _load(
        directory,
        f"tls_server_config: {{{PAIR}, client_ca_file: authority.pem,"
        " client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example],"
        " min_version: TLS12, max_version: TLS13, prefer_server_cipher_suites: false,"
        " cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256],"
        " curve_preferences: [X25519]}\n"
        "http_server_config: {http2: true, headers: {X-Frame-Options: sameorigin, X-XSS-Protection: ''}}\n"
        f"basic_auth_users: {{alice: {HASH}}}\n",
    )
    tls = web.tls_server_config
    assert tls
    assert tls.files == tuple(directory / name for name in ("server.pem", "server.key", "authority.pem"))
    assert web.http_server_config.headers.by_name() == {"X-Frame-Options": "sameorigin"}
    assert web.basic_auth_users["alice"].get_secret_value() == HASH.encode()


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_hash_prefixes(directory: Path, prefix: str) -> None:
    """All prefixes that programs write, at the lowest cost."""
    known = prefix + bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()[4:]
    assert _load(directory, f"basic_auth_users: {{alice: {known}}}").basic_auth_users


def test_hashes_are_not_displayed(directory: Path) -> None:
    """Neither is a password in the place of a hash."""
    web = _load(directory, f"basic_auth_users: {{alice: {HASH}}}")
    assert HASH[-20:] not in f"{web!r} {web} {web.model_dump()}"
    for text in (
        "alice: S3CRET",
        "alice: [S3CRET]",
        "alice: {S3CRET: x}",
        "alice:S3CRET",
        "alice: $2y$S3CRET",
    ):
        with pytest.raises(ConfigurationError) as caught:
            _load(directory, f"basic_auth_users: {{{text}}}")
        assert "S3CRET" not in str(caught.value), text
        assert caught.value.__context__ is None


_WORDS = (
    "tls_server_config basic_auth_users http_server_config rate_limit headers http2 cert_file key_file "
    "client_ca_file client_auth_type client_allowed_sans cipher_suites min_version curve_preferences "
    f"{HASH} TLS13 RequireAndVerifyClientCert X25519 TLS_AES_128_GCM_SHA256"
).split()
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=5)
_TREES = st.recursive(
    st.sampled_from(_WORDS) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100)
@given(text=st.dictionaries(_KEYS, _TREES, max_size=4).map(yaml.safe_dump) | st.binary(max_size=100))
@example(text="tls_server_config: {client_auth_type: [], cipher_suites: [[]]}")
def test_any_file_is_loaded_or_rejected(text: str | bytes) -> None:
    """The result is a configuration, problems with their places, or one problem of the whole file."""
    with tempfile.TemporaryDirectory() as folder:
        problems: tuple[str, ...] = ("valid",)
        try:
            _load(Path(folder), text)
        except ConfigurationError as error:
            problems = error.problems
        assert problems
        assert all(problem.isprintable() for problem in problems)
        assert len(problems) == 1 or all(": " in problem for problem in problems)
