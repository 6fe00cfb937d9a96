"""`python -m digits` is the command `digits`."""

from digits.cli import main

main()
