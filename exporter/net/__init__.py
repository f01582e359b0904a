"""HTTP over an untrusted network: connections, name lookups, TLS, proxies, bodies of bounded size."""
