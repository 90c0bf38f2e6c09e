"""`python -m segops` is `segops`."""

import sys

from segops.cli import main

sys.exit(main())
