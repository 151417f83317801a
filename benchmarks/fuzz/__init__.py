"""Hostile files: every reader of bytes from outside is given files that nobody would write, and watched.

    python -m benchmarks.fuzz [--target NAME …] [--seconds S | --inputs N] [--seed S] [--json FILE] [--keep DIR]

Real files made by the project's own code are changed where their format is delicate (lengths, offsets, names, headers, directory entries,
opcodes, messages) and repaired where a checksum would turn everything else away (`formats`). With atheris installed, what reaches new lines
of Python is changed further (coverage-guided); without it, changes start from the real files each time.

A reader must return, or raise one of the project's errors in one line without control characters. Anything else is a finding: another
exception, death by a signal, more than its time or its memory, a file opened or written outside of its folder, code begun.
"""
