"""The public face of boxbridge: all that a plugin may import, and nothing else."""

from bridge.event import (
    Attribute,
    Box,
    Channel,
    Device,
    Event,
    Network,
    Picture,
    PictureLost,
    Point,
    Region,
    Skill,
    Target,
    escape,
    new_id,
)
from bridge.hookspecs import DROP, hookimpl
from bridge.normalizer import Answer, Cutout, Key, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.options import Duration, Secret, Size
from bridge.output import (
    Delivery,
    NoOptions,
    Original,
    Output,
    OutputContext,
    Rejected,
    Retry,
    Stopped,
    Unavailable,
    outcome,
    retry_after,
)
from bridge.threads import Threads

__version__ = "0.1.0"

__all__ = [
    "DROP",
    "Answer",
    "Attribute",
    "Box",
    "Channel",
    "Cutout",
    "Delivery",
    "Device",
    "Duration",
    "Event",
    "Key",
    "Malformed",
    "Network",
    "NoOptions",
    "Normalizer",
    "Original",
    "Outcome",
    "Output",
    "OutputContext",
    "Parsed",
    "Picture",
    "PictureLost",
    "Point",
    "Push",
    "Region",
    "Rejected",
    "Retry",
    "Secret",
    "Size",
    "Skill",
    "Stopped",
    "Target",
    "Threads",
    "Unavailable",
    "escape",
    "hookimpl",
    "new_id",
    "outcome",
    "retry_after",
]
