"""Engines that simulate a parameter server and its workers, and the loop that evaluates them."""
