"""Normalizers: each reads the pushes of one family of devices."""
