"""The background blur's parts: MediaPipe Selfie Segmentation (Apache-2.0) from its npm package, fetched once and served by us.

Script, WebAssembly and model are all in that one package, so no browser asks anybody else for anything. Each file is checked against
the sums below when it is unpacked and again at each start: it runs in people's browsers. Without the files the pages say that
blur is not available.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

PACKAGE: Final = "@mediapipe/selfie_segmentation@0.1.1675465747"
FETCH_S_MAX: Final = 300.0
SUMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "selfie_segmentation.binarypb": "0007be42c754f111063c0121bba7104880b7c56277d3a9681cdcb17709236aee",
        "selfie_segmentation.js": "a4720d2d2374ec9df3510461ff186a4af427fb5bd402375e135875a991467da3",
        "selfie_segmentation.tflite": "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        "selfie_segmentation_landscape.tflite": "4aafe6223bb8dac6fac8ca8ed56852870a33051ef3f6238822d282a109962894",
        "selfie_segmentation_solution_simd_wasm_bin.data": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "selfie_segmentation_solution_simd_wasm_bin.js": "9406e7e30843bdca189689d4bea413f3e468f71e381560e583ef12792d26d46a",
        "selfie_segmentation_solution_simd_wasm_bin.wasm": "d93e73677ef1fe791ff5407083c0f9ced6d6050a705bd6c20823fc05919d8dc4",
        "selfie_segmentation_solution_wasm_bin.js": "ed59858c14c9db26d34abbf0afa9017e5c6583a6ad63dae63d2fe42e19abfea5",
        "selfie_segmentation_solution_wasm_bin.wasm": "37665276fd8e38589a28b07ddec805266efb1b7a1a52fd36667ef11dff43a847",
    }
)


class BlurError(Exception):
    """The package cannot be had, or is not what the sums say."""


def place(cache: Path) -> Path:
    return cache / "blur" / PACKAGE.rsplit("@", 1)[1]


def found(cache: Path) -> Path | None:
    """The folder to serve, when every file is there and right; else None."""
    folder = place(cache)
    return folder if all(_is(folder / name, sha256) for name, sha256 in SUMS.items()) else None


def fetch(cache: Path, npm: Sequence[str]) -> Path:
    """Fetch the package by the npm client `npm` and unpack the files that `SUMS` names. Raises `BlurError`."""
    if (ready := found(cache)) is not None:
        return ready
    with tempfile.TemporaryDirectory() as directory:
        command = [*npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", directory, PACKAGE]
        try:
            subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=FETCH_S_MAX)  # noqa: S603 - a fixed command
        except (OSError, subprocess.SubprocessError) as error:
            raise BlurError(f"{PACKAGE} cannot be fetched: {type(error).__name__}") from None
        (packed,) = Path(directory).glob("*.tgz")
        folder = place(cache)
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed) as files:
            for name, sha256 in SUMS.items():
                source = files.extractfile(f"package/{name}")
                content = source.read() if source is not None else b""
                if hashlib.sha256(content).hexdigest() != sha256:
                    raise BlurError(f"the SHA-256 of {name} is not the one that is locked")
                (folder / name).write_bytes(content)
    return folder


def _is(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False
