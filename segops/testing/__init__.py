"""What tests of applications and of plugins need: a clock that they move, and the contract of transports as tests."""

from segops.testing.clock import FakeClock
from segops.testing.conformance import TransportConformance

__all__ = ["FakeClock", "TransportConformance"]
