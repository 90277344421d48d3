# %% What do one account's sample recordings and photos tell? Run cell by cell, or as a script.
from collections import Counter
from pathlib import Path

import vl_convert

from glasses_signals import SpeechSettings, VisionSettings
from glasses_signals.runners.stages import map_texts, tag_files, transcribe_files

bundle = Path(__file__).parents[2] / "samples" / "uploads" / "ada-2"

# %% Speech to text, and text to interests: the sensitive gate stands before the mapper.
heard = list(transcribe_files(sorted(bundle.glob("voice-*")), SpeechSettings()))
spoken = list(map_texts(line["text"] for line in heard if line.get("text")))

# %% Pictures to interests.
seen = list(tag_files(sorted(bundle.glob("photo-*")), VisionSettings()))

# %% A picture of it.
found = [interest["path"][-1] for line in [*spoken, *seen] for interest in line["interests"]]
bars = {
    "data": {"values": [{"interest": name, "times": n} for name, n in Counter(found).items()]},
    "mark": "bar",
    "encoding": {
        "y": {"field": "interest", "type": "nominal", "sort": "-x", "title": None},
        "x": {"field": "times", "type": "quantitative", "axis": {"tickMinStep": 1}},
    },
}
Path("first-look.svg").write_text(vl_convert.vegalite_to_svg(bars))
print(*sorted(set(found)), sep="\n")
