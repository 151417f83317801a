"""Many runs at once: a file says which, a backend trains them, each run is found by its id.

grid.py reads the file. serial.py trains here, one run after another; rays.py on a Ray cluster, Ray being the engine.
tally.py says how far it is, from the runs themselves, so that every page and terminal says the same.
"""
