"""Exporters: each writes one kind of file of a finished run into its `export/` folder."""
