"""``daypass``, and ``python -m daypass``: what scripts ask again and again is answered before any verb is loaded."""

import gc
import sys

from daypass.cli.quick.options import at_once


def main() -> int:
    """Run the command line and return its exit code."""
    gc.disable()  # a question is answered before it would be worth it
    code = at_once(sys.argv[1:])
    if code is None:
        gc.enable()
        gc.set_threshold(50_000)  # most of what loading makes lives as long as the run
        from daypass.cli.main import main as run  # noqa: PLC0415  (see above)

        code = run()
    gc.freeze()  # the process ends here; looking through all that it holds for cycles would take a tenth of a short verb
    return code


if __name__ == "__main__":
    sys.exit(main())
