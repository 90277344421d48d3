"""One module per kind of model; each has `build(manifest, out, sources) -> parity facts`.

Only here is torch imported, and only in a build's own process.
"""
