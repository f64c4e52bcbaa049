"""The fix-up against the product: real registries, corrected, then opened by the real releases; see README.md."""
