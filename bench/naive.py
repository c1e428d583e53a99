"""The plain script to compare with: each push goes straight to MQTT and is answered at once; nothing is stored.

What a competent person writes in an hour with Starlette and paho's own thread, all defaults left alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import time

import paho.mqtt.client as mqtt
import uvicorn
from paho.mqtt.enums import CallbackAPIVersion
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

client = mqtt.Client(CallbackAPIVersion.VERSION2)


async def push(request: Request) -> JSONResponse:
    """Take one push: the picture to one topic, the rest to another."""
    document = json.loads(await request.body())
    message = document["message"]
    topic = f"boxes/{message['deviceInfo']['uuid']}/{message['channelInfo']['channel']}"
    picture = message["data"].pop("bg", "")
    if picture:
        client.publish(f"{topic}/picture", base64.b64decode(picture), qos=1, retain=True)
    client.publish(f"{topic}/event", json.dumps(document), qos=1)
    return JSONResponse(
        {
            "wsKey": "eventCreateOptimizeResult",
            "msg_id": document["msg_id"],
            "code": 0,
            "message": "success",
            "timestamp": int(time.time()),
        }
    )


app = Starlette(routes=[Route("/dataPush/DataReportCB", push, methods=["POST"])])


def main() -> None:
    """Connect to the broker and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8600)
    parser.add_argument("--broker-port", type=int, default=1883)
    options = parser.parse_args()
    client.connect("127.0.0.1", options.broker_port)
    client.loop_start()
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
