"""Putting evidence together in a folder of its own: preserved as it is, or made fit for publication."""
