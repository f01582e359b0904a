"""A simulated soft-switch for the demo, for tests and for trying out alerts. See docs/simulator.md.

    server ─► api ─► request, faults, responses ─► phone_lists, trunks, queues, call_history ─► world
       └────► control ─► page, truth

    world ─► phones, tenants, overrides

It implements the API independently: it imports neither the client nor the decoder of the exporter, and they
never import it, so that both cannot share one error.
"""
