"""A workspace's memory: events, catalogue, users, id maps, the bundle registry."""
