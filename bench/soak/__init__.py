"""The fault tests for hours: see bench/README.md."""
