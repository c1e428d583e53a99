"""Receive: from a device's bytes to its answer."""
