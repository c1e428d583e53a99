"""What plugin authors, the demo and the benchmark test with: sample pushes and events, drawn pictures, a fake box."""

from bridge.normalizer import InMemory
from bridge.testing.box import Box, BoxAnswer
from bridge.testing.drawing import draw_dot, draw_scene, vary
from bridge.testing.sample import sample_event, sample_push

__all__ = ["Box", "BoxAnswer", "InMemory", "draw_dot", "draw_scene", "sample_event", "sample_push", "vary"]
