"""HTTP over a network that nobody trusts: connections, names, TLS, proxies, bodies of bounded size."""
