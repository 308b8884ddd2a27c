"""What `aisle train` does with a recipe of lists: collaborative filtering, session and sequence models."""
