"""Gates: figures held against bounds, by themselves and against a baseline."""
