"""Runs that are killed, and what is left of them: `python -m benchmarks.crash`.

Real processes, started as a user starts them, are ended at random moments, at the ends of stages and in the middle of file operations, or refused
room on the disk. After each, a fresh process opens the store and everything that was whole before has to be whole and unchanged; in the end the run has
to be equal, bit for bit, to one that nothing happened to.

faults.py says where a process is hit, inject/ hits it from the inside, commands.py starts and ends processes, look.py and check.py see what is left,
compare.py holds two runs against each other, scenes/ has what is done to which command, tally.py counts.
"""
