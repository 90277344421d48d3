"""The sensitive gate with the real encoder, and the reviewed list of nodes."""

import pickle
import re
from collections.abc import Callable

import numpy as np
import pytest

from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.policy.classifier import CLASSES
from glasses_signals.policy.policy import TOPICS, load_policy
from glasses_signals.policy.sensitive import NODES, SensitiveGate, blocked_nodes
from glasses_signals.text.encoder import TextEncoder
from glasses_signals.tsv import read_tsv

SENSITIVE = {
    "religion": [
        "What time is evening prayer at the mosque?",
        "we fast from dawn until sunset this month, wake me at four to eat",
        "remind me to buy candles, and that my nephew's christening is on Sunday",
    ],
    "sexual_orientation": [
        "How do I tell my parents I'm a lesbian?",
        "find a gay bar with good cocktails",
    ],
    "politics": [
        "Where is my polling station?",
        "I'm knocking on doors for the Democrats so find me comfortable shoes",
    ],
    "health": [
        "What are the side effects of sertraline?",
        "book a hotel near the cancer clinic",
        "how much met formin should i take",
    ],
    "race_ethnicity": [
        "as a black woman, which sunscreen should I buy",
        "order me a DNA ancestry kit",
    ],
    "philosophy": [
        "what would the stoics say about my job",
        "I'm a vegan because animals have rights",
    ],
    "trade_union": ["tell my union rep I'll be late", "who is on the picket line tomorrow"],
}
HARMLESS = [
    "Where can I buy good hiking boots?",
    "play losing my religion",
    "how long do I boil an egg",
    "coffee near union square",
    "my laptop caught a virus",
    "set a timer for ten minutes",
    "book a table at an indian restaurant",
    "how many calories are in a bagel",
    "why was my card declined",
    "good morning",
    "",
]


Topics = Callable[[list[str]], list[str | None]]


@pytest.fixture(scope="module")
def gate() -> SensitiveGate:
    return SensitiveGate(load_policy())


@pytest.fixture(scope="module")
def topics(gate: SensitiveGate, encoder: TextEncoder) -> Topics:
    """The topic that each text as a whole is stopped for."""
    return lambda texts: [reading.topic for reading in gate.read(texts, encoder(texts))]


@pytest.mark.parametrize(
    ("topic", "text"), [(topic, text) for topic, texts in SENSITIVE.items() for text in texts]
)
def test_a_sensitive_text_is_stopped_under_its_topic(topics: Topics, topic: str, text: str) -> None:
    assert topics([text]) == [topic]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_text_passes(topics: Topics, text: str) -> None:
    assert topics([text]) == [None]


def test_harmless_texts_are_read_as_such(gate: SensitiveGate, encoder: TextEncoder) -> None:
    texts = ["how long do I boil an egg", *SENSITIVE["health"]]
    readings = gate.read(texts, encoder(texts))
    assert readings[0].harmless > 0.95
    assert all(reading.harmless < 0.5 for reading in readings[1:])
    assert gate.read([], np.empty((0, 384), np.float32)) == []


def test_a_verdict_does_not_depend_on_the_company(
    gate: SensitiveGate, encoder: TextEncoder
) -> None:
    texts = [text for texts in SENSITIVE.values() for text in texts] + HARMLESS
    embeddings = encoder(texts)
    together, _ = gate.probabilities(texts, embeddings)
    backwards, _ = gate.probabilities(texts[::-1], np.ascontiguousarray(embeddings[::-1]))
    assert together.tobytes() == np.ascontiguousarray(backwards[::-1]).tobytes()


def test_probabilities_are_of_the_seven_topics_and_none(
    gate: SensitiveGate, encoder: TextEncoder
) -> None:
    probabilities, named = gate.probabilities(HARMLESS, encoder(HARMLESS))
    assert probabilities.shape == (len(HARMLESS), len(CLASSES)) == (len(HARMLESS), 8)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert named.dtype == np.bool_


def test_a_copy_for_a_worker_process_judges_the_same(
    gate: SensitiveGate, encoder: TextEncoder
) -> None:
    texts = HARMLESS + SENSITIVE["health"]
    embeddings = encoder(texts)
    copied = pickle.loads(pickle.dumps(gate))
    assert copied.read(texts, embeddings) == gate.read(texts, embeddings)


def test_each_reviewed_node_is_one_of_the_taxonomy_and_judged_with_a_reason() -> None:
    taxonomy = load_taxonomy()
    for row in read_tsv(NODES):
        assert " | ".join(taxonomy.node(row["id"]).path) == row["path"]
        assert row["reason"]
        assert (row["decision"], row["topic"] in TOPICS) in {("block", True), ("keep", False)}


def test_no_node_that_says_a_topic_by_name_is_left_unjudged() -> None:
    says = re.compile(
        r"health|medic|pharma|drug|clinic|hospital|dental|vaccin|disab|religi|gospel|spirit|"
        r"politic|election|government|ethnic|genealog|ancest|philosoph|union|vegan|pregnan|matern",
        re.IGNORECASE,
    )
    judged = {row["id"] for row in read_tsv(NODES)}
    unjudged = [
        node.id
        for node in load_taxonomy()
        if says.search(node.name) and node.id not in judged and "unionware" not in node.name
    ]
    assert unjudged == []


def test_what_lies_below_a_health_node_is_blocked_too() -> None:
    taxonomy, blocked = load_taxonomy(), blocked_nodes()
    roots = {"381", "466", "550", "1448", "1555"}
    for node in taxonomy:
        if node.id in roots or roots & {above.id for above in taxonomy.ancestors(node.id)}:
            assert node.id in blocked
