"""Losses: regularisers, and reconstruction losses against target images."""
