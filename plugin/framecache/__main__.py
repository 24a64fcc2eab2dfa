"""`python -m framecache`: the command line."""

import sys

try:
    from framecache.cli.main import main
except ModuleNotFoundError as error:
    sys.exit(f"framecache: the command line requires {error.name}: pip install requests rich")

sys.exit(main())
