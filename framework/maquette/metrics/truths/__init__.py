"""True objects of the cases of suites, for metrics that compare with them."""
