"""Profile documents: building, canonical writing, schema, merging."""
