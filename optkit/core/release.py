"""Which optkit this is."""

VERSION = "0.1.0"
