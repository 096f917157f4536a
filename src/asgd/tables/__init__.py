"""From run folders to tidy tables: selecting from them, and their statistics."""
