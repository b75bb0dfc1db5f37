"""Parts of the kind `exporter`: each writes one kind of result of a finished run into its `export/` folder."""
