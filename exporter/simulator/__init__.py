"""A stand-in for a soft-switch, for the demo, for tests and for trying out alerts. See docs/simulator.md.

    cli ─► server ─► api ─► request, keys, answers, faults, fault_injection ─► world ─► phones, tenants
              └───► control ─► truth, faults, journal, page

It reads the API on its own: it imports neither the client nor the decoder of the exporter, and they never
import it, so that a mistake in the one is not repeated in the other.
"""
