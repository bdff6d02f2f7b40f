"""How spans come in."""
