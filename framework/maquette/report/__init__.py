"""The page to look at after a run: one HTML file that needs no network."""

from maquette.report.page import write_report

__all__ = ["write_report"]
