"""The painter of portraits: layer over layer, from the back to the front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isthmus.data._drawing import Array, Canvas, bump, ramp, smooth_step, to_bytes

# RGB tones in the unit interval: each list is a smooth ramp over its factor.
_SKIN = np.array([[0.97, 0.83, 0.74], [0.84, 0.60, 0.44], [0.50, 0.32, 0.23]])
_HAIR = np.array([[0.10, 0.08, 0.09], [0.46, 0.25, 0.12], [0.88, 0.70, 0.42]])
_BACKGROUND, _GLOW = (0.52, 0.65, 0.70), (0.75, 0.84, 0.85)
_SHIRT, _DARK, _WHITE = (0.27, 0.38, 0.50), (0.10, 0.07, 0.08), (1.0, 0.99, 0.97)
_IRIS, _LIP, _MOUTH, _BLUSH = (0.30, 0.38, 0.36), (0.78, 0.33, 0.32), (0.36, 0.09, 0.10), (0.93, 0.38, 0.36)

_EYE = 0.245  # from the midline to the middle of an eye, in the frontal view
_YAW, _PITCH = 0.49, 0.32  # radians turned at pose_x = 1 and pose_y = 1


class Portrait(Canvas):
    """A batch of faces being painted, layer over layer, from the back to the front.

    The head is an ellipsoid. A pixel over it is traced back to the point of the unit sphere
    that it shows, and that point is turned back to the frontal view: features are drawn there,
    at (`u`, `v`) in picture units, so that a turned head shows them shifted and compressed.
    """

    # Set by the layer that paints them, for the layers above it.
    mane: Array  # signed distance to the hair behind the head
    outline: Array  # signed distance to the head
    mask: Array  # coverage of the head
    locks: Array  # coverage of the hair in front of it

    def __init__(self, values: dict[str, np.ndarray], shape: tuple[int, int], channels: int):
        self.f = {name: value.astype(np.float32)[:, None, None] for name, value in values.items()}
        super().__init__(len(values["smile"]), shape, channels)
        self.skin = ramp(_SKIN, self.f["skin_tone"])
        self.hair = ramp(_HAIR, self.f["hair_tone"])
        self._place_head()

    def _place_head(self) -> None:
        """Lay out the head and trace every pixel back to the frontal view."""
        f = self.f
        self.a, self.b = 0.57 + 0.07 * f["face_width"], np.float32(0.70)
        self.cx, self.cy = 0.05 * f["pose_x"], 0.03 * f["pose_y"] - 0.03
        yaw, pitch = _YAW * f["pose_x"], _PITCH * f["pose_y"]
        self.cos_yaw, self.sin_yaw = np.cos(yaw), np.sin(yaw)
        self.cos_pitch, self.sin_pitch = np.cos(pitch), np.sin(pitch)
        Y = (self.y - self.cy) / self.b
        taper = 1 - 0.13 * smooth_step(-0.1, 1.3, Y)  # the jaw is narrower than the temples
        X = (self.x - self.cx) / (self.a * taper)
        self.X, self.Y = X, Y
        self.radius2 = X * X + Y * Y
        Z = np.sqrt(np.maximum(1 - self.radius2, np.float32(0.01)))
        self.Z = Z
        # The inverse of: turn about the vertical axis, then nod about the horizontal one.
        v, depth = Y * self.cos_pitch - Z * self.sin_pitch, Y * self.sin_pitch + Z * self.cos_pitch
        self.u = (X * self.cos_yaw - depth * self.sin_yaw) * self.a
        self.front = X * self.sin_yaw + depth * self.cos_yaw
        self.v = v * self.b

    def project(self, v: float, radius: float) -> tuple[Array, Array]:
        """Return where the picture shows a point of the face's midline, at `v` in the frontal view.

        A `radius` above 1 stands out of the head, and so moves further than the skin.
        """
        py = v / self.b
        pz = np.sqrt(1 - py * py)
        x, y = pz * self.sin_yaw, py * self.cos_pitch + pz * self.cos_yaw * self.sin_pitch
        return self.cx + radius * self.a * x, self.cy + radius * self.b * y


def _background(p: Portrait) -> None:
    """Paint a plain wall with a soft glow behind the head."""
    p.paint(np.ones((1, 1, 1), dtype=np.float32), _BACKGROUND)
    p.paint(bump((p.x**2 + (p.y + 0.1) ** 2) * np.float32(0.9)), _GLOW)


def _back_hair(p: Portrait) -> None:
    """Paint the hair behind the head: a cap that grows to a mane."""
    h = p.f["hair"]
    x = np.abs(p.x - p.cx + 0.07 * p.f["pose_x"])
    volume = 0.015 + 0.125 * h
    top = p.y - (p.cy - 0.08 - 0.04 * p.f["pose_y"])
    width, height = p.a + volume, 0.62 + 1.05 * volume
    cap = (np.sqrt((x / width) ** 2 + (top / height) ** 2) - 1) * 0.6
    # Below the temples the mane hangs as a rounded block down to its length.
    length = 0.05 + 0.90 * h
    bend = np.maximum(p.y, 0) / (length + 0.25)
    dx = x - width * (0.80 + 0.36 * h - 0.19 * h * h + 0.35 * h * bend * (1 - bend)) + 0.20
    dy = np.abs(p.y - length / 2) - length / 2 + 0.20
    corner = np.sqrt(np.maximum(dx, 0) ** 2 + np.maximum(dy, 0) ** 2)
    block = corner + np.minimum(np.maximum(dx, dy), 0) - 0.20
    p.mane = np.minimum(cap, block)
    p.paint(p.edge(p.mane), p.hair * 0.72)


def _bust(p: Portrait) -> None:
    """Paint shoulders and neck."""
    x = np.abs(p.x)
    shoulders = 0.78 + 0.30 * (x / 0.9) ** 2.2 - p.y
    neck_x = np.abs(p.x - 0.4 * p.cx)
    width = neck_x - (0.25 + 0.05 * smooth_step(0.65, 0.95, p.y)) - 0.3 * (p.a - 0.57)
    neck = np.maximum(width, np.abs(p.y - 0.44 + neck_x**2) - 0.44)
    p.paint(p.edge(shoulders), _SHIRT)
    p.paint(p.edge(neck), p.skin * 0.93)
    shadow = bump(((p.y - p.cy - 0.60) / 0.16) ** 2) * p.edge(neck)
    p.paint(shadow * np.float32(0.55), p.skin * 0.45)


def _ear(p: Portrait, side: int, visible: Array) -> None:
    """Paint the ear on one side, as far as it is `visible`."""
    sine, cosine = np.float32(np.sin(1.75)), np.float32(np.cos(1.75))
    rows = p.rows(-0.3, 0.4)
    x = p.x - p.cx - p.a * (side * sine * p.cos_yaw + cosine * p.sin_yaw) * 0.97
    y = (p.y[:, rows] - p.cy - 0.06 + 0.08 * p.f["pose_y"]) / 0.15
    distance = (np.sqrt((x / 0.085) ** 2 + y**2) - 1) * 0.085
    p.paint(p.edge(distance) * visible, p.skin * 0.94, rows)
    p.paint(p.edge(distance + 0.04, 0.05) * visible * np.float32(0.45), p.skin * 0.6, rows)


def _ears(p: Portrait, over_head: bool) -> None:
    """Paint both ears behind the head, or the one that is turned to us over it."""
    shown = 1 - smooth_step(0.2, 0.5, p.f["hair"])
    for side in (-1, 1):
        depth = np.float32(np.cos(1.75)) * p.cos_yaw - side * np.float32(np.sin(1.75)) * p.sin_yaw
        _ear(p, side, shown * smooth_step(0.0, 0.3, depth) if over_head else shown)


def _head(p: Portrait) -> None:
    """Paint the skin of the head and the blush of the cheeks."""
    p.outline = (np.sqrt(p.radius2) - 1) * 0.55
    p.mask = p.edge(p.outline)
    p.paint(p.mask, p.skin)
    smile = p.f["smile"]
    spot = ((np.abs(p.u) - 0.33) / 0.12) ** 2 + ((p.v - 0.20 + 0.03 * smile) / 0.09) ** 2
    p.paint(bump(spot) * p.mask * (0.20 + 0.14 * smile), _BLUSH * np.sqrt(p.skin))


def _eyes(p: Portrait) -> None:
    """Paint both eyes: white, iris, pupil, glint, and the upper lid that closes over them."""
    rows = p.rows(-0.55, 0.40)
    u, v, mask = p.u[:, rows], p.v[:, rows], p.mask[:, rows]
    opening = p.f["eye_openness"]
    du, dv = np.abs(u) - _EYE, v + 0.03
    arch = 1 - (du / 0.165) ** 2
    lower = (0.076 - 0.018 * p.f["smile"]) * arch
    upper = lower - (0.225 * opening) * arch
    socket = bump((du / 0.20) ** 2 + ((dv + 0.02) / 0.14) ** 2) * mask
    p.paint(socket * np.float32(0.22), p.skin * 0.55, rows)
    white = p.edge(np.maximum(upper - dv, dv - lower) * 0.85) * smooth_step(0.0, 0.12, opening)
    p.paint(white, _WHITE, rows)
    middle = dv + 0.022
    reach = np.sqrt(du * du + middle * middle)
    p.paint(p.edge(reach - 0.087) * white, _IRIS, rows)
    p.paint(p.edge(reach - 0.044) * white, _DARK, rows)
    glint_u = u - np.copysign(np.float32(_EYE), u) - 0.032 * p.f["light"]
    glint = (glint_u / 0.026) ** 2 + ((middle + 0.035) / 0.026) ** 2
    p.paint(bump(glint) * white, _WHITE, rows)
    # The lashes: a line along the upper lid, which tapers towards the corners.
    thick = 0.021 * np.maximum(arch + 0.25, 0)
    lash = np.maximum(np.abs(dv - upper) - thick, np.abs(du) - 0.18)
    p.paint(p.edge(lash, 0.01) * mask * np.float32(0.92), _DARK, rows)


def _brows(p: Portrait) -> None:
    """Paint the brows: low and drawn together, or high and arched."""
    rows = p.rows(-0.75, 0.20)
    brow = p.f["brow"]
    du, v = np.abs(p.u[:, rows]) - 0.255 - 0.012 * brow, p.v[:, rows]
    along = du / 0.18
    tilt = 0.004 - 0.038 * brow + 0.014 * brow * brow
    height = -0.240 - 0.066 * brow + (0.030 + 0.022 * brow) * along**2 - tilt * along
    thick = 0.031 * (1 - 0.42 * along)
    line = np.maximum(np.abs(v - height) - thick, np.abs(du) - 0.18)
    p.paint(p.edge(line, 0.02) * p.mask[:, rows] * np.float32(0.9), p.hair * 0.6 + p.skin * 0.08, rows)


def _nose(p: Portrait) -> None:
    """Paint the nose, which stands out of the face and so moves more than the rest when it turns."""
    rows = p.rows(-0.45, 0.62)
    x, y = p.x, p.y[:, rows]
    tip_x, tip_y = p.project(0.15, 1.2)
    root_x, root_y = p.project(-0.10, 1.0)
    along = (y - root_y) / (tip_y - root_y)
    side = (x - root_x - (tip_x - root_x) * np.clip(along, 0, 1)) / (0.045 + 0.03 * np.clip(along, 0, 1))
    ridge = smooth_step(-0.3, 0.5, along) * (1 - smooth_step(0.9, 1.3, along))
    flank = side * bump(side * side) * ridge
    facing = p.f["light"] + 0.6 * p.f["pose_x"]
    p.paint(np.maximum(flank * -facing, 0) * np.float32(0.55), p.skin * 0.5, rows)
    dx, dy = x - tip_x, y - tip_y
    glow = ((dx - 0.02 * p.f["light"]) / 0.05) ** 2 + ((dy + 0.03) / 0.06) ** 2
    p.paint(bump(glow) * np.float32(0.35), p.skin * 0.5 + 0.5, rows)
    # The underside: a curve that runs up to both wings, darkest at the nostrils.
    curve = 0.045 - 0.055 * (dx / 0.10) ** 2
    under = np.maximum(np.abs(dy - curve) - 0.012, np.abs(dx) - 0.085)
    p.paint(p.edge(under, 0.035) * np.float32(0.60), p.skin * 0.45, rows)


def _mouth(p: Portrait) -> None:
    """Paint the mouth: from a frown, over a calm line, to a smile that shows the teeth."""
    rows = p.rows(-0.05, 0.75)
    u, v, mask, smile = p.u[:, rows], p.v[:, rows], p.mask[:, rows], p.f["smile"]
    half = 0.225 + 0.045 * smile + 0.01 * smile * smile
    along = u / half
    bow = np.maximum(1 - along * along, 0)
    line = 0.365 + (0.105 - 0.012 * smile) * smile * (0.5 - along * along)
    wide = np.abs(u) - half
    gape = 0.13 * smooth_step(0.2, 1.0, smile)
    upper, lower = line - 0.10 * gape, line + gape * np.maximum(1 - along**4, 0)
    lips = np.maximum(upper - 0.034 * bow - v, v - lower - 0.056 * bow)
    p.paint(p.edge(np.maximum(lips, wide), 0.015) * mask * np.float32(0.75), _LIP * np.sqrt(p.skin), rows)
    open_ = p.edge(np.maximum(np.maximum(upper - v, v - lower), wide)) * mask * smooth_step(0.2, 0.5, smile)
    p.paint(open_, _MOUTH, rows)
    teeth = p.edge(v - upper - 0.60 * gape * bow) * open_
    p.paint(teeth, _WHITE, rows)
    crease = np.maximum(np.abs(v - upper) - 0.014, wide)
    p.paint(p.edge(crease, 0.008) * mask * np.float32(0.85), p.skin * 0.25, rows)


def _front_hair(p: Portrait) -> None:
    """Paint the hair in front: a hairline on the forehead and locks at the sides."""
    h = p.f["hair"]
    # A spherical cap, tilted backwards: it comes into view at the side from which the head turns away.
    parting = 0.10 * h * bump((p.u / 0.16) ** 2)
    crown = -0.80 * p.v / p.b - 0.60 * p.front + (0.11 * h - 0.02) - parting
    # The locks hang on an upright cylinder, which goes on past the head's outline.
    X = (p.x - p.cx) / p.a
    root = np.sqrt(np.maximum(1 - X * X, 0))
    depth = root - 6 * np.maximum(np.abs(X) - 1, 0)
    locks = (0.66 * h - 0.28) + 0.20 * h * p.Y * p.Y - X * p.sin_yaw - depth * p.cos_yaw
    # Both levels are steep where the head curves away: dividing by their slope makes them distances.
    inside = -np.maximum(0.65 * crown * p.Z / (0.35 + 0.65 * p.Z), 0.57 * locks * (root + 0.15))
    p.paint(bump((np.maximum(inside, 0) / 0.06) ** 2) * p.mask * np.float32(0.40), p.skin * 0.55)
    p.locks = p.edge(np.maximum(inside, np.minimum(p.mane, p.outline)), 0.01)
    p.paint(p.locks, p.hair)
    seam = bump((p.u / (0.018 + 0.3 * p.pixel)) ** 2) * smooth_step(0.2, 0.6, -p.v) * smooth_step(0.2, 0.6, p.Z)
    p.paint(seam * p.locks * (0.1 + 0.4 * h), p.hair * 0.55)
    ring = ((p.Y + 0.66 - 0.22 * np.abs(p.X - 0.25 * p.f["light"])) / 0.10) ** 2
    sheen = bump(ring + (p.X - 0.45 * p.f["light"]) ** 2 / 0.30)
    p.paint(sheen * p.locks * np.float32(0.22), p.hair * 0.6 + 0.4)


def _shade(p: Portrait) -> None:
    """Darken what turns away from the light; shadows are a little warmer than lit parts."""
    light = p.f["light"]
    norm = 1 / np.sqrt(light * light + np.float32(0.16 + 0.72))
    round_ = np.maximum(p.mask, p.locks)
    lit = (np.clip(p.X, -1, 1) * light - 0.40 * np.clip(p.Y, -1, 1) + p.Z * np.float32(0.85)) * norm
    head = 0.5 + 0.5 * lit
    room = 0.86 + 0.10 * light * p.x - 0.04 * p.y
    level = room + round_ * (head - room)
    ambient = (0.50, 0.42, 0.42) if len(p.canvas) == 3 else (0.44,)
    for plane, floor in zip(p.canvas, ambient, strict=True):
        plane *= np.float32(floor - 0.12) + np.float32(1.20 - floor) * level


def render(values: dict[str, np.ndarray], shape: tuple[int, int], channels: int) -> npt.NDArray[np.uint8]:
    """Draw one portrait for each row of `values`."""
    p = Portrait(values, shape, channels)
    _background(p)
    _back_hair(p)
    _bust(p)
    _ears(p, over_head=False)
    _head(p)
    _eyes(p)
    _mouth(p)
    _nose(p)
    _ears(p, over_head=True)
    _front_hair(p)
    _brows(p)
    _shade(p)
    bytes_ = to_bytes(p.canvas)
    return bytes_[0] if channels == 1 else np.moveaxis(bytes_, 0, -1)
