"""How fast a ticket runs, measured: the block kernels (CPU and GPU), network programs, timing, and the estimate.

Every structure is a list of dense blocks (core.blocks), so one kernel runs them all; what differs is how many blocks and how tall.
"""
