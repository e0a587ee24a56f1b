"""An output folder, checked again: by itself, long after the run."""
