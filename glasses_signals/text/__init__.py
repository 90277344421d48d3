"""Texts to vectors, and which language a text is in."""
