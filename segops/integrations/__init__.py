"""Integrations with frameworks and engines; each module needs its own."""
