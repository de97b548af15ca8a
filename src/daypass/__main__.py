"""``daypass``, and ``python -m daypass``: what scripts ask again and again is answered before any verb is loaded."""

import atexit
import gc
import os
import sys

from daypass.cli.quick.options import at_once


def _fill() -> None:
    """Take the numbers of stdin, stdout and stderr where whoever started this closed them.

    The next file that is opened would have that number, and a process of git's would write what it says into it.
    """
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while os.open(os.devnull, os.O_RDWR) < 2:  # noqa: PLR2004  (the lowest free number is taken each time)
        pass
    sys.stdin, sys.stdout, sys.stderr = (
        stream or open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  (as long as the process)
        for number, (stream, mode) in enumerate([(sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w")])
    )


def main() -> int:
    """Run the command line and return its exit code."""
    _fill()
    gc.disable()  # a question is answered before it would be worth it
    code = at_once(sys.argv[1:])
    if code is not None:
        # All of it was written. To take apart what was loaded would cost as much as half of Python's start.
        atexit._run_exitfuncs()  # noqa: SLF001  (they end what git runs for us; Python calls them nowhere else but at its end)
        os._exit(code)
    gc.enable()
    gc.set_threshold(50_000)  # most of what loading makes lives as long as the run
    from daypass.cli.main import main as run  # noqa: PLC0415  (see above)

    code = run()
    gc.freeze()  # the process ends here; looking through all that it holds for cycles would take a tenth of a short verb
    return code


if __name__ == "__main__":
    sys.exit(main())
