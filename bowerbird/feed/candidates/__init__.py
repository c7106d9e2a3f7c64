"""Where pictures for a feed come from: one source a file."""
