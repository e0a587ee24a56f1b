"""What is in the files and graphs of each library; beneath the formats."""
