"""The correlator against its specification, on small incidents."""
