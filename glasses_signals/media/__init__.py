"""Decoding what was uploaded: sound, photos, video; in worker processes, within limits."""
