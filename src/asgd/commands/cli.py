"""The ``asgd`` command: its subcommands are the files of this folder that declare one (``asgd.commands.command``)."""

import signal
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from asgd.commands.parser import build_parser
from asgd.errors import AsgdError
from asgd.extras import explain_missing
from asgd.logs import discard_output, print_error, show_warning, tolerate_output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status: 0, 1 after a one-line error, 2 for wrong flags, 130 after Ctrl-C.

    SIGTERM, which schedulers send before they kill, ends the process as Ctrl-C does, with status 143: files in the
    making are removed. Where nobody reads the output any more (``asgd claims | head -1``) the status is 141.
    """
    tolerate_output()
    warnings.showwarning = show_warning
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            with explain_missing():
                options = build_parser().parse_args(arguments)
                options.run(options)
        finally:
            sys.stdout.flush()
    except AsgdError as error:
        print_error(error)
        return 1
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        discard_output()
        print_error(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return 1
    except MemoryError as error:
        print_error(f"not enough memory: {error or 'none is free'}")
        return 1
    except KeyboardInterrupt:
        print("asgd: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminate(number: int, frame: object) -> NoReturn:
    print("asgd: terminated", file=sys.stderr)
    sys.exit(128 + number)
