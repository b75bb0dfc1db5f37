"""`python -m maquette` is the `maquette` command."""

from maquette.cli import main

main()
