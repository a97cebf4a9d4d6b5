"""How the job is usually done; not how vmboot does it."""
