"""Runs that exist: finding, exporting, measuring, comparing and deleting them; and many runs at once."""
