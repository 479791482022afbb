"""Image generation research in JAX: one loop, one interface, honest measures."""
