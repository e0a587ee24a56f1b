"""optkit: optimize, convert, measure and check trained networks."""

__version__ = "0.1.0"
