"""Takes telephone prompts in four languages from Debian's packages, for `languages.py`.

    python benchmarks/prompts.py FOLDER [--clips 16] [--min-s 2]

`--clips` of each language, Spanish, French, Italian and Russian, of `--min-s` seconds and longer.
The SHA-256 of language and name chooses, so they are the same ones on every machine. Every second
one of Spanish and French is of 8 kHz, the others of 16. Needs `apt-get` and `dpkg`; packages are
unpacked into a folder that goes away, not installed. The prompts are under CC BY-SA 3.0, the
Russian under CC BY 3.0.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import shutil
import subprocess
import tempfile
from pathlib import Path

from glasses_signals.media.audio import decode_audio

LANGUAGES = ("es", "fr", "it", "ru")
AT_8_KHZ = ("es", "fr")
# Prompts without words in a folder and under names of their own: pauses, tones, a telephone joke.
NO_WORDS = ("silence", "beep", "2tone", "tt-")


def unpacked(language: str, codec: str, folder: Path) -> dict[str, Path]:
    """The package's prompts by name. SystemExit when it can't be had."""
    package = f"asterisk-core-sounds-{language}-{codec}"
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise SystemExit("apt-get or dpkg is missing: the prompts come from packages of Debian")
    if subprocess.run(["apt-get", "download", "-qq", package], cwd=folder, check=False).returncode:
        raise SystemExit(f"{package} can't be had; does `apt-get update` help?")
    (archive,) = folder.glob(f"{package}_*.deb")
    tree = folder / package
    subprocess.run(["dpkg", "-x", archive, tree], check=True)
    files = sorted(tree.rglob(f"*.{codec}"))
    return {f.stem: f for f in files if not any(s in f"{f.parent.name}/{f.stem}" for s in NO_WORDS)}


def long_enough(file: Path, min_s: float) -> bool:
    return decode_audio(file).duration_s >= min_s


def picked(files: dict[str, Path], language: str, clips: int, min_s: float) -> list[str]:
    names = sorted(files, key=lambda name: hashlib.sha256(f"{language}/{name}".encode()).digest())
    chosen = (name for name in names if long_enough(files[name], min_s))
    return list(itertools.islice(chosen, clips))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--min-s", type=float, default=2.0)
    arguments = parser.parse_args()
    for language in LANGUAGES:
        target = arguments.folder / language
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            wide = unpacked(language, "g722", Path(scratch))
            narrow = unpacked(language, "wav", Path(scratch)) if language in AT_8_KHZ else wide
            names = picked(wide, language, arguments.clips, arguments.min_s)
            for number, name in enumerate(names):
                file = narrow[name] if number % 2 else wide[name]
                shutil.copyfile(file, target / f"{name}{file.suffix}")
        print(f"{target}: {len(list(target.iterdir()))} prompts")


if __name__ == "__main__":
    main()
