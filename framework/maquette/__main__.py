"""`python -m maquette` is the `maquette` command."""

from maquette.cli.app import main

main()
