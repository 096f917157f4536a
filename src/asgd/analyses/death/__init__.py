"""How runs die."""
