"""What is laid over and under a recipe's text: includes, variables, `--set`."""
