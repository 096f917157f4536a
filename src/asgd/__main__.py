"""``python -m asgd`` is the ``asgd`` command."""

import sys

from asgd.cli import main

sys.exit(main())
