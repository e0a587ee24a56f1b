"""The recipe: its model, its loader, its JSON schema."""
