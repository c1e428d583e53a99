"""Benchmarks: how fast, how small and how sure boxbridge is, measured beside a plain script on the same cores."""
