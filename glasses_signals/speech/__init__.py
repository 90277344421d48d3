"""Hearing what was said: voice activity, windows, Whisper, and guards against its failures."""
