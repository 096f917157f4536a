"""What the server does with a gradient: one file a rule."""
