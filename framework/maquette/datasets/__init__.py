"""Data sets that learners are trained on."""
