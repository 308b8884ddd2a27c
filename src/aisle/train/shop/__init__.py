"""What `aisle train` does with the recipe of a shop."""
