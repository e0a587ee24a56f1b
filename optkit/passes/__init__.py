"""One file per pass; the file's name is the recipe's word."""
