"""Priors of novel views of one picture: Zero-1-to-3 and its successors."""
