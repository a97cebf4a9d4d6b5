"""``python -m vmboot``: the same as the ``vmboot`` command."""

import sys

from vmboot.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
