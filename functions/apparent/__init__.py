"""Apparent: how old each face in a photo looks, and which gender it is perceived as."""
