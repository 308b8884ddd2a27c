"""A shop to look at: catalogue, product, cart and home, whose events and recommendations go through aisle.js."""
