"""Values in, rich renderables out. Views never read, connect or decide."""
