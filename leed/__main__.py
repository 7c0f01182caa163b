"""`python -m leed` is the command `leed`."""

import sys

from leed.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
