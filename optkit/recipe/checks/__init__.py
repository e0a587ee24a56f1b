"""What is wrong with a recipe, in plain words and at its place."""
