"""What every test needs."""

from __future__ import annotations

import signal

pytest_plugins = ["tests.rig.fixtures"]

# A test run in the background of a shell inherits a SIGINT that is ignored, and so would the programs under test.
signal.signal(signal.SIGINT, signal.default_int_handler)
