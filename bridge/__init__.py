"""The public face of boxbridge: all that a plugin may import, and nothing else."""

from typing import Final

from bridge.errors import did_you_mean
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
from bridge.hookspecs import DROP, Installation, hookimpl
from bridge.normalizer import Answer, Cutout, Key, Malformed, Normalizer, Outcome, Parsed, Push
from bridge.options import Duration, File, Secret, Share, Size
from bridge.output import (
    Delivery,
    NoOptions,
    Original,
    Output,
    OutputContext,
    Rejected,
    Retry,
    Stopped,
    Surroundings,
    Unavailable,
    outcome,
    retry_after,
)
from bridge.reading.document import read_document
from bridge.threads import Threads
from bridge.trust import client_tls

__version__ = "0.1.0"

API_VERSION: Final = (1, 0)
"""The version of what plugins may use. The second number grows when something is added, the first one when something
is taken away or changes its meaning, after two minor versions of boxbridge that warned of it. A plugin that states
`API_VERSION = (1, 2)` in its module is loaded by every boxbridge that has 1.2 or more, below 2."""

__all__ = [
    "API_VERSION",
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
    "File",
    "Installation",
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
    "Share",
    "Size",
    "Skill",
    "Stopped",
    "Surroundings",
    "Target",
    "Threads",
    "Unavailable",
    "client_tls",
    "did_you_mean",
    "escape",
    "hookimpl",
    "new_id",
    "outcome",
    "read_document",
    "retry_after",
]
