"""Benchmark suites: many runs of one method, measured by the same metrics, with reproducible results."""
