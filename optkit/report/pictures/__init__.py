"""What is worth a picture: one file per kind."""
