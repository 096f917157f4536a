"""``python -m asgd`` is the ``asgd`` command."""

import sys

from asgd.commands.cli import main

sys.exit(main())
