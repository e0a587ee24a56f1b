"""`python -m optkit` does what `optkit` does."""

from optkit.cli.main import main

main()
