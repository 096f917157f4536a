"""What all tests share."""

import os

# `make test` tells its own make so; a test's `make` starts by itself.
for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(name, None)
