"""What happens to what is kept: moved from one engine to another."""
