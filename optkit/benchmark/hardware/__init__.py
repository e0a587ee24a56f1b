"""What the hardware can do, as the libraries tell it and as a clock does.

One file per runtime; all of it runs in a process of its own, so that a library that is broken, or
that spins while it waits, harms nothing else.
"""
