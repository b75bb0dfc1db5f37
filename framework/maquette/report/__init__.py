"""The HTML report of a run: one self-contained file."""

from maquette.report.page import write_report

__all__ = ["write_report"]
