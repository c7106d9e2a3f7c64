"""The processes that make a service, and how many of each."""
