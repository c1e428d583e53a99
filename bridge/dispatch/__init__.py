"""Dispatch: one lane an output, each at its own pace."""
