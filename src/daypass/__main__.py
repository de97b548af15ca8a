"""``python -m daypass``."""

import sys

from daypass.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
