"""Lines of text: what their columns hold, and the numbers in them."""
