"""Real workers: processes that compute gradients, and the server that hears them as they come."""
