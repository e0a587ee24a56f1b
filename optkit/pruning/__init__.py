"""Methods that make a network compute less: which channels hang together, which can go, how.

They know fx graphs of ATen operations and tensors; what they need to measure they are handed.
"""
