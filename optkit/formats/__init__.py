"""One file per format: recognise it, read its signature, summarise it, load it."""
