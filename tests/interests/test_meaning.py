import pytest

from glasses_signals.interests.meaning import is_meant


@pytest.mark.parametrize(
    "text",
    [
        "I can't stand golf",
        "Opera bores me to tears",
        "My uncle plays golf every Sunday",
        "remind me to feed the dog at six",
        "Please set a pasta timer for ten minutes",
        "hey take a photo of this bridge",
    ],
)
def test_dislike_others_and_device_orders_are_not_meant(text: str) -> None:
    assert not is_meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "I don't like this song, skip it",
        "Why does my dog hate the vacuum?",
        "My brother sold me his old car, how do I change the oil?",
        "How do I stop my puppy from chewing shoes?",
        "What should I buy my mom for her garden",
        "how should i take a picture of the moon",
    ],
)
def test_a_question_or_wish_of_ones_own_is_meant(text: str) -> None:
    assert is_meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "She is throwing him under the bus",
        "That was my cup of tea for years",
        "The ball's in her court",
        "we hit it out of the park",
    ],
)
def test_a_fixed_expression_is_not_about_what_it_names(text: str) -> None:
    assert not is_meant(text)


@pytest.mark.parametrize(
    "text",
    [
        "Play Cloud Nine by George Harrison",
        "How do I make bread and butter pudding?",
        "find me a tough cookie cutter",
        "I love ice skating",
        "I dropped a ball in the lake",
    ],
)
def test_who_asks_for_something_means_it_whatever_the_words(text: str) -> None:
    assert is_meant(text)
