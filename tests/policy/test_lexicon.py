from pathlib import Path

import pytest

from glasses_signals.errors import BadPolicy
from glasses_signals.policy.lexicon import Grade, Lexicon, words_of
from glasses_signals.policy.phonetics import likeness, skeleton
from glasses_signals.policy.policy import TOPICS

LEXICON = Lexicon()


def named(text: str) -> set[str]:
    found = LEXICON.look(words_of(text))
    return {term.topic for term in found.terms if term.grade is Grade.SURE}


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Which churches are near here?", "religion"),
        ("Is the café open during Ramadan?", "religion"),
        ("when does rama dan begin", "religion"),
        ("Sinn Féin's manifesto", "politics"),
        ("how is the a f d doing", "politics"),
        ("#PrideParade outfits", "sexual_orientation"),
        ("refill my metformin", "health"),
        ("met formin twice a day", "health"),
        ("I'm half Japanese", "race_ethnicity"),
        ("Nietzsche's best known book", "philosophy"),
        ("my shop steward called", "trade_union"),
        ("u n i s o n branch number", "trade_union"),
        ("are the r m tea out on friday", "trade_union"),
        ("an el gee bee tee choir", "sexual_orientation"),
        ("when is key er star mer speaking", "politics"),
    ],
)
def test_a_term_is_found_however_it_is_written(text: str, topic: str) -> None:
    assert topic in named(text)


@pytest.mark.parametrize(
    "text",
    [
        "play Judas Priest",
        "coffee at Union Square",
        "a computer virus scan",
        "Christian Louboutin heels",
        "how does leader election work in raft",
        "book of the month",
        "black pepper and white wine",
        "when is the film coming out",
        "why are you in see you tea",
    ],
)
def test_a_look_alike_names_nothing(text: str) -> None:
    assert named(text) == set()


def test_a_look_alike_hides_only_its_own_words() -> None:
    assert named("play Judas Priest on the way to church") == {"religion"}


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("where is the nearest sin a gog", "religion"),
        ("say the rose airy with me", "religion"),
        ("do i need more met forming", "health"),
        ("an ay theist like me", "religion"),
    ],
)
def test_misheard_words_are_noticed(text: str, topic: str) -> None:
    found = LEXICON.look(words_of(text))
    terms = {term.topic for term in found.terms if term.grade is Grade.SURE}
    assert topic in terms | set(found.misheard)


def test_words_that_sound_alike_have_one_skeleton() -> None:
    assert skeleton(("sin", "a", "gog")) == skeleton(("synagogue",))
    assert skeleton(("rose", "airy")) == skeleton(("rosary",))
    assert skeleton(("garden",)) != skeleton(("guitar",))


def test_likeness_is_one_for_equal_and_zero_for_strange_words() -> None:
    assert likeness("rosary", "rosary") == 1
    assert likeness("abc", "xyz") == 0


def test_every_topic_has_hundreds_of_sure_terms() -> None:
    for topic in TOPICS:
        sure = [t for t in LEXICON.terms if t.topic == topic and t.grade is Grade.SURE]
        assert len(sure) > 200


def test_a_malformed_lexicon_is_refused_with_its_line(tmp_path: Path) -> None:
    for topic in TOPICS:
        (tmp_path / f"{topic}.tsv").write_text("grade\tunless\tterms\nsure\t\tword\n", "utf-8")
    (tmp_path / "lookalikes.txt").write_text("", "utf-8")
    (tmp_path / "health.tsv").write_text("grade\tunless\tterms\ncertain\t\tword\n", "utf-8")
    with pytest.raises(BadPolicy, match=r"health\.tsv, line 2"):
        Lexicon(tmp_path)
