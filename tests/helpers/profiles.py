"""ICC profiles written byte by byte, and what they make of colours, in double precision.

After ICC.1:2001-04 (version 2) and ICC.1:2022 (version 4).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from helpers.golden import Pixels, Values, bytes_of

Floats = npt.NDArray[np.float64]

D50: Floats = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

D65_XY, D50_XY = (0.3127, 0.3290), (0.3457, 0.3585)
SRGB_XY = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3_XY = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_XY = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO_XY = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """From a channel's values to amounts of light, both of 0 to 1."""

    tag: bytes
    light: Callable[[Floats], Floats]


def gamma(exponent: float) -> Curve:
    """Returns a power, as a curve of a single number of 8.8 bits."""
    number = round(exponent * 256)
    return Curve(tag=b"curv\0\0\0\0" + struct.pack(">IH", 1, number), light=lambda values: values ** (number / 256))


def linear() -> Curve:
    """Returns a curve without numbers, which stands for none."""
    return Curve(tag=b"curv\0\0\0\0" + struct.pack(">I", 0), light=lambda values: values)


def table(curve: Curve, length: int = 1024) -> Curve:
    """Returns a curve as a table of numbers, with straight lines between them."""
    numbers = np.rint(curve.light(np.linspace(0, 1, length)) * 65_535)
    return Curve(
        tag=b"curv\0\0\0\0" + struct.pack(f">I{length}H", length, *numbers.astype(int)),
        light=lambda values: np.interp(values, np.linspace(0, 1, length), numbers / 65_535),
    )


def srgb() -> Curve:
    """Returns sRGB's curve as a formula, which version 4 knows."""
    return Curve(tag=b"para\0\0\0\0" + struct.pack(">HHiiiii", 3, 0, *map(_fixed, _SRGB)), light=_srgb_light)


_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _srgb_light(values: Floats) -> Floats:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb_values(light: Floats) -> Floats:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light.clip(0) ** (1 / 2.4) - 0.055)


def colorants(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> Floats:
    """Returns the XYZ under D50 of red, green and blue, as columns, from their chromaticities and that of white."""
    columns = np.array([_xyz(point) for point in primaries]).T
    amounts = columns * np.linalg.solve(columns, _xyz(white))
    adapted = np.diag((_BRADFORD @ D50) / (_BRADFORD @ _xyz(white)))
    return np.asarray(np.linalg.inv(_BRADFORD) @ adapted @ _BRADFORD @ amounts)


def _xyz(point: tuple[float, float]) -> Floats:
    x, y = point
    return np.array([x / y, 1, (1 - x - y) / y])


def srgb_of(light: Floats) -> Pixels:
    """Returns XYZ under D50 [..., 3] as sRGB, colours outside of it cut off."""
    amounts = light @ np.linalg.inv(colorants(SRGB_XY, D65_XY)).T
    return bytes_of(_srgb_values(amounts.clip(0, 1)) * 255)


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """The colours of RGB or gray: a curve for all channels, and a matrix from these to XYZ under D50."""

    matrix: Floats | None
    """[3, 3], XYZ under D50 of the channels as columns; None for gray."""

    curve: Curve
    version: int = 2
    space: bytes = b""
    """What it says that its channels are; empty for the truth."""

    padding: int = 0
    """Bytes of something private, which make it larger."""

    def to_bytes(self) -> bytes:
        """Returns the profile as files hold it."""
        tags = _texts(self.version)
        if self.matrix is None:
            tags[b"kTRC"] = self.curve.tag
        else:
            for channel, name in enumerate((b"r", b"g", b"b")):
                tags[name + b"XYZ"] = _xyz_tag(self.matrix[:, channel])
                tags[name + b"TRC"] = self.curve.tag
        if self.padding:
            tags[b"priv"] = b"data" + bytes(self.padding)
        space = self.space or (b"GRAY" if self.matrix is None else b"RGB ")
        return _file(tags, b"mntr", space, b"XYZ ", self.version)

    def to_srgb(self, values: Values) -> Pixels:
        """Returns RGB [..., 3] or gray [...] of 0 to 255 as sRGB [..., 3], colours outside of it cut off."""
        light = self.curve.light(values.astype(np.float64) / 255)
        if self.matrix is None:
            return bytes_of(np.repeat(_srgb_values(light)[..., None], 3, -1) * 255)
        # What a file holds is rounded to 16 bits after the point.
        stored = np.vectorize(_fixed)(self.matrix) / 65_536
        return srgb_of(light @ stored.T)


class InkProfile:
    """The colours of an imaginary printing press, as a table to CIELAB of nothing but the corners.

    What lies between them lies on straight lines, however a program goes along these.
    """

    _LAB = np.array([[-30, -12, -6], [-25, 12, -6], [-10, 0, 12], [-35, 0, 0]], np.float64)
    """What full cyan, magenta, yellow and black each do to L, a and b, which are 100, 0 and 0 without ink."""

    def to_bytes(self) -> bytes:
        """Returns the profile as files hold it."""
        corners = np.indices((2, 2, 2, 2)).reshape(4, -1).T
        lab = np.array([100, 0, 0]) + corners @ self._LAB
        numbers = np.rint((lab + np.array([0, 128, 128])) * [652.8, 256, 256]).astype(int)
        straight = struct.pack(">HH", 0, 65_535)
        unity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
        table = b"mft2\0\0\0\0" + struct.pack(">BBBx9iHH", 4, 3, 2, *map(_fixed, unity), 2, 2)
        table += straight * 4 + struct.pack(f">{numbers.size}H", *numbers.reshape(-1)) + straight * 3
        return _file(_texts(2) | {b"A2B0": table}, b"prtr", b"CMYK", b"Lab ", 2)

    def to_srgb(self, inks: Values) -> Pixels:
        """Returns inks [..., 4] of 0 to 255 as sRGB [..., 3]."""
        return srgb_of(xyz_of(np.array([100, 0, 0]) + inks / 255 @ self._LAB))


def xyz_of(lab: Floats) -> Floats:
    """Returns CIELAB [..., 3] as XYZ, both under D50."""
    middle = (lab[..., 0] + 16) / 116
    roots = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], -1)
    light: Floats = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    return light * D50


def _texts(version: int) -> dict[bytes, bytes]:
    """Returns what every profile must say: its name, whose it is, and its white."""
    if version >= 4:
        text = "golden".encode("utf-16-be")
        name = rights = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(text), 28) + text
    else:
        name = b"desc\0\0\0\0" + struct.pack(">I", 7) + b"golden\0" + bytes(4 + 4 + 2 + 1 + 67)
        rights = b"text\0\0\0\0golden\0"
    return {b"desc": name, b"cprt": rights, b"wtpt": _xyz_tag(D50)}


def _file(tags: dict[bytes, bytes], kind: bytes, space: bytes, connection: bytes, version: int) -> bytes:
    directory, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        directory += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(
        ">I4xI4s4s4s6H4s28xiii48x",
        128 + len(directory) + len(body),
        version << 24,
        kind,
        space,
        connection,
        *(2024, 1, 1, 0, 0, 0),
        b"acsp",
        *map(_fixed, D50),
    )
    return header + directory + body


def _fixed(number: float) -> int:
    return round(float(number) * 65_536)


def _xyz_tag(point: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *map(_fixed, point))


SRGB = Profile(matrix=colorants(SRGB_XY, D65_XY), curve=table(srgb()))
SRGB_4 = Profile(matrix=colorants(SRGB_XY, D65_XY), curve=srgb(), version=4)
DISPLAY_P3 = Profile(matrix=colorants(P3_XY, D65_XY), curve=srgb(), version=4)
DISPLAY_P3_2 = Profile(matrix=colorants(P3_XY, D65_XY), curve=table(srgb()))
ADOBE_RGB = Profile(matrix=colorants(ADOBE_XY, D65_XY), curve=gamma(563 / 256))
PROPHOTO = Profile(matrix=colorants(PROPHOTO_XY, D50_XY), curve=gamma(1.8))
LINEAR = Profile(matrix=colorants(SRGB_XY, D65_XY), curve=linear())
GBR = Profile(matrix=colorants(SRGB_XY, D65_XY)[:, [1, 2, 0]], curve=table(srgb()))
"""The first channel is green, the second blue, the third red."""

GRAY_18 = Profile(matrix=None, curve=gamma(1.8))
INKS = InkProfile()
