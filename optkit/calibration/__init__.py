"""What quantizing needs of formats and runtimes."""
