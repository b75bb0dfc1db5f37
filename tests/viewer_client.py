"""A browser of the viewer without a browser: its websocket, its camera, and the pictures that it is sent."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import viser
from PIL import Image
from scipy.spatial.transform import Rotation
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

HYBRID = int(viser.__version__.partition(".")[0]) >= 1  # another wire format since 1.0
SECONDS = 60.0  # on a busy machine


class ViewerClient:
    """Connects to the viewer of a port of this machine; looks at the origin."""

    def __init__(self, port: int, origin: str | None = None) -> None:
        address = f"ws://127.0.0.1:{port}"
        version: Any = f"viser-v{viser.__version__}"  # which viser takes from 1.0 on
        self._socket = connect(
            address,
            max_size=None,
            compression=None,
            origin=origin,
            subprotocols=[version],  # type: ignore[arg-type]
        )
        self.pictures: list[np.ndarray] = []
        self.messages: list[dict[str, Any]] = []
        threading.Thread(target=self._receive, daemon=True).start()
        self.move(0.0)

    def move(self, azimuth_rad: float, distance: float = 3.2) -> None:
        """Put the camera on the horizon."""
        x, y = np.cos(azimuth_rad), np.sin(azimuth_rad)
        rotation = np.array([[-y, 0, -x], [x, 0, -y], [0, -1, 0]])  # columns: right, down, forward
        self.send(
            type="ViewerCameraMessage", wxyz=np.roll(Rotation.from_matrix(rotation).as_quat(), 1).tolist(),
            position=[float(distance * x), float(distance * y), 0.0], fov=0.6, near=0.01, far=100.0,
            look_at=[0.0, 0.0, 0.0], up_direction=[0.0, 0.0, 1.0],
            **({"image_height": 600, "image_width": 600} if HYBRID else {"aspect": 1.0}),
        )  # fmt: skip

    def send(self, **message: Any) -> None:
        """Send one message as the page does."""
        self._socket.send(msgspec.msgpack.encode(message))

    def uuid(self, label: str) -> str:
        """Identity of the latest control with this label."""
        found = [m for m in self.messages if (m.get("props") or {}).get("label") == label]
        return str(found[-1]["uuid"])

    def set(self, label: str, value: Any) -> None:
        """Press a button (True) or move a slider."""
        self.send(type="GuiUpdateMessage", uuid=self.uuid(label), updates={"value": value})

    def texts(self) -> str:
        """All text that the page was sent."""
        return repr(self.messages)

    def close(self) -> None:
        """Close the page."""
        self._socket.close()

    def _receive(self) -> None:
        try:
            for data in self._socket:
                for message in _messages(data):
                    if message["type"] == "BackgroundImageMessage":
                        if message["rgb_data"]:
                            self.pictures.append(np.asarray(Image.open(io.BytesIO(message["rgb_data"]))))
                    else:
                        self.messages.append(message)
        except (ConnectionClosed, OSError):
            return


def _messages(data: Any) -> list[dict[str, Any]]:
    """The messages in what the server sends: msgpack, or compressed msgpack between two sizes and raw arrays."""
    if not HYBRID:
        return msgspec.msgpack.decode(data)
    import zstandard

    size = int.from_bytes(data[8:16], "little")
    return msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16 : 16 + size]))["messages"]


def wait_until(true: Callable[[], Any], turn: Callable[[], Any] = lambda: time.sleep(0.02)) -> None:
    """Call `turn` until something is true."""
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until, "it did not happen"
        turn()
