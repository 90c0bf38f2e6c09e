"""Settings for all tests."""

from __future__ import annotations

import os
import signal
import sys

from hypothesis import HealthCheck, settings

if os.environ.get("SEGOPS_TEST_QUEUE") == "pure":  # as where there was no compiler
    sys.modules["segops.delivery._speedups"] = None  # type: ignore[assignment]

# The tests of clients and transports use many addresses, and the plugin of this project would report each of them.
os.environ["SEGOPS_GUARD"] = "off"

pytest_plugins = ["tests.rig.fixtures"]

# A test run in the background of a shell inherits a SIGINT that is ignored, and so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes, and how long it takes to draw one, says more about the machine than about us. Fixtures are
# shared by the examples of a test where that does no harm.
settings.register_profile(
    "segops", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.load_profile("segops")
