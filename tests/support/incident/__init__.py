"""One incident of one gateway, told once in plain data, and writers that put it down in every form of input."""
