"""Which tokens a module shows, and what is on them."""
