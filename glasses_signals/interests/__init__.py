"""From what was said or seen to taxonomy nodes: taxonomy, mappers, aggregation over evidence."""
