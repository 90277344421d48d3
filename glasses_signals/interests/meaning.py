"""Mention is not meaning: texts that name a topic without the wearer caring for it.

Sentence embeddings hold the topic of a text far better than its sense, so four plain senses are
read from the words: dislike, a statement whose subject is somebody else, an order to the device
itself, whose topic is by the way ("set a pasta timer"), and a fixed expression ("drop the ball").
"""

from __future__ import annotations

import re
from functools import cache

from glasses_signals.interests.taxonomy import DATA

_PEOPLE = (
    "neighbou?rs?|uncles?|aunts?|cousins?|brothers?|sisters?|boss|colleagues?|co-?workers?|mates?"
    "|roommates?|flatmates?|friends?|dad|mom|mum|father|mother|grand(ma|pa|mother|father)|nephews?"
    "|nieces?|landlord|landlady|teachers?|manager|ex|dentist|wife|husband|girlfriend|boyfriend"
    "|guys?|lady|woman|man|couple|kids? (next door|across)|people (next door|upstairs)|family"
)
# Next to these, what is disliked is one song or place, not music or food.
_ONE_OF_THEM = re.compile(r"\b(this|that|the next|next|skip|reservation|my order)\b")
_DISLIKE = re.compile(
    r"\bif you paid me\b"
    r"|\b(can'?t|cannot|couldn'?t) (stand|bear|care less)\b|\b(hate|loathe|detest|despise)\b"
    r"|\b(do|does|did)(n'?t| not) (really )?(like|enjoy|care (for|about))\b"
    r"|\bnot (really |at all )?(into|interested in|a fan of|my thing|for me)\b"
    r"|\b(isn|aren)'?t (really )?(my thing|for me)\b|\bno interest in\b|\bbores? me\b"
    r"|\b(sick|tired) of (hearing|seeing|watching|all)\b|\bputs? me to sleep\b"
    r"|\bdrives? me (crazy|mad|nuts|insane|up the wall)\b|\bunbearabl[ey]\b|\b(so|too) boring\b"
    r"|^(please )?(no more|never (play|show|suggest|recommend)|(stop|quit) (showing|suggesting"
    r"|recommending|talking about))\b|\b(does|did|has|have)(n'?t| not)? (nothing|never done "
    r"anything) for me\b|\bnever (liked|cared for|understood the appeal)\b|^ugh\b"
)
_SOMEBODY_ELSE = re.compile(
    rf"^(my|our|your|his|her|their|the|this|that|some|a|an|one of my)\b( \w+)? ({_PEOPLE})\b"
    rf"|^(grandma|grandpa|someone|somebody)\b|\b(my|her|his) ({_PEOPLE})('s (thing|hobby|passion))"
    r"|^(he|she)('s| is| was| loves| likes| plays| keeps| collects| told)\b"
)
_DEVICE = re.compile(
    r"^(please |hey |can you |could you )*(remind me\b|(connect|pair|sync) (to|with|my)\b"
    r"|(set|start|stop|cancel) (a |an |the |my |another )?(\w+ ){0,2}(timer|alarm|reminder)\b)"
    r"|(?<!how to )(?<!should i )\btake (a|another) (photo|picture|selfie|video)\b"
)
_OWN = re.compile(
    r"\b(i|i'm|i'd|i'll|i've|me|we|us|help|should|can|could|how|what|which|where)\b|\?"
)


# A text with a fixed expression that asks for something as well is meant.
_ASKS = re.compile(
    r"\?|\b(how|what|what's|which|where|can|could|should|find|play|show|book|order|buy|get me"
    r"|i need|i want|looking for|recommend|search)\b"
)
_WHOSE = r"(my|your|his|her|our|their|its|one'?s|someone'?s|somebody'?s|\w+'s)"
_SOMEONE = r"(me|you|him|her|us|them|everyone|someone|somebody|one|\w+)"


def is_meant(text: str) -> bool:
    """False for a text that says dislike, that tells only what somebody else does or likes, that
    orders the device to do something, or whose topic is only in a fixed expression."""
    lowered = text.lower().replace("’", "'").strip()
    if _DEVICE.search(lowered):
        return False
    if _DISLIKE.search(lowered):
        return bool(_ONE_OF_THEM.search(lowered)) or "?" in lowered
    if _ASKS.search(_idioms().sub(" ", lowered)) is None and _idioms().search(lowered):
        return False
    told = _SOMEBODY_ELSE.search(lowered)
    return told is None or bool(_OWN.search(lowered[told.end() :]))


@cache
def _idioms() -> re.Pattern[str]:
    lines = (DATA / "idioms.txt").read_text("utf-8").splitlines()
    forms = (_any_form(line) for line in lines if line and not line.startswith("#"))
    return re.compile(rf"\b({'|'.join(forms)})\b")


def _any_form(idiom: str) -> str:
    """A pattern for the expression with its verb and owner in any form."""
    words = []
    for place, word in enumerate(idiom.split()):
        if word == "one's":
            words.append(_WHOSE)
        elif word == "one" and place:
            words.append(_SOMEONE)
        elif place == 0 and len(word) > 3:
            stem = re.escape(word.removesuffix("e"))
            words.append(rf"{stem}(e|s|es|ed|{stem[-1]}ed|ing|{stem[-1]}ing|n|en)?")
        else:
            words.append(re.escape(word))
    return " ".join(words)
