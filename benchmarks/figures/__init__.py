"""Every figure of today that the pages show, by name, made from `results.json`.

A page says `<!-- figure NAME -->…<!-- / -->` within a line, or `<!-- table NAME -->` and
`<!-- / -->` around a block of its own; `pages.py` writes what stands between.
"""

from results import Make

from figures import run, scale, speech, texts, vision

FIGURES: dict[str, Make] = {
    **run.FIGURES,
    **speech.FIGURES,
    **vision.FIGURES,
    **texts.FIGURES,
    **scale.FIGURES,
}
