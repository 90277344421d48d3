"""Short English requests are never called foreign; other languages and mixes are."""

import pytest

from glasses_signals.text.language import detect_language, is_english

ENGLISH = (
    """
hiya|idk|hi|flip a coin|flip a coin for me|lol|cancel|rescind|mute|nah|timer 10 min|volume up
convert 100 dollars to euros|how late is it now in ourense|what's london's timezone|hows are ya
directions to los angeles|what does je ne sais quoi mean|order a croissant and a cafe au lait
play la bamba by los lobos|recipe for pad thai|tacos al pastor near me|weather in são paulo
who is zlatan ibrahimovic|navigate to schiphol|best ramen in shibuya|noah kahan tour|tic tac toe
Can I bake a whole Président Camembert in the air fryer?|Did Sócrates captain Brazil?|w2 form
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

FOREIGN = [
    ("es", "¿Dónde está la biblioteca?"),
    ("es", "quiero comprar botas de montaña"),
    ("es", "hola como estas"),
    ("fr", "où est la gare"),
    ("fr", "je voudrais acheter des chaussures de randonnée"),
    ("de", "wo ist der bahnhof"),
    ("de", "spiel musik von Rammstein"),
    ("it", "vorrei comprare una bicicletta"),
    ("pt", "quero comprar um tênis novo"),
    ("nl", "ik wil een fiets kopen"),
    ("sv", "jag vill köpa ett par skor"),
    ("fi", "haluan ostaa uudet kengät"),
    ("pl", "chcę kupić nowe buty"),
    ("tr", "yeni ayakkabı almak istiyorum"),
    ("id", "saya mau beli sepatu baru"),
    ("tl", "gusto kong bumili ng bagong sapatos"),
    ("vi", "tôi muốn mua một đôi giày mới"),
    ("sw", "ninataka kununua viatu vipya"),
    ("hi", "mujhe naye joote kharidne hain"),
    ("hi", "मुझे जूते खरीदने हैं"),
    ("zh", "我想买一双登山鞋"),
    ("ja", "登山靴を買いたいです"),
    ("ko", "이 근처에 카페가 어디 있어요"),
    ("ar", "أين محطة القطار"),
    ("ru", "где находится вокзал"),
]

MIXED = [
    "Quiero comprar hiking boots para el weekend",
    "yaar mujhe new shoes chahiye for the wedding",
    "je veux un burger with extra cheese",
    "can you tell me wo der bahnhof ist",
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_requests_are_english(text: str) -> None:
    assert detect_language(text)[0] == "en"


@pytest.mark.parametrize(("code", "text"), FOREIGN)
def test_other_languages_are_told(code: str, text: str) -> None:
    language, confidence = detect_language(text)
    assert language == code
    assert 0.3 <= confidence <= 1


@pytest.mark.parametrize("text", MIXED)
def test_a_mix_counts_as_the_other_language(text: str) -> None:
    assert not is_english(text)


@pytest.mark.parametrize("text", ["", "12345", "?!", "🙂"])
def test_a_text_without_letters_has_no_language_and_is_treated_as_english(text: str) -> None:
    assert detect_language(text) == (None, 0.0)
    assert is_english(text)
