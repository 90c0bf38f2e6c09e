"""`python -m segops` is `segops`."""

import sys

from segops.cli.program import main

sys.exit(main())
