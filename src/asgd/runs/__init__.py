"""One run: trained, resumed, written, packed, and named by what decides its numbers."""
