"""`python -m postier` is the command `postier`."""

from postier.cli.main import main

main()
