import json
from collections import Counter
from pathlib import Path

import numpy as np
from scipy import sparse  # type: ignore[import-untyped]

from glasses_signals.policy.classifier import CLASSES, load_networks, mean_probabilities
from glasses_signals.policy.features import GRAM_BUCKETS, LEXICON_WIDTH, gram_buckets
from glasses_signals.policy.lexicon import words_of
from glasses_signals.policy.policy import TOPICS
from glasses_signals.policy.training import train
from glasses_signals.policy.training.examples import written_examples
from glasses_signals.policy.training.mishear import _distance

STYLES = {
    "direct",
    "indirect",
    "entity",
    "mixed",
    "asr",
    "foreign",
    "lookalike",
    "ordinary",
}


def test_every_example_has_a_known_topic_and_style() -> None:
    for example in written_examples():
        assert example.topic in CLASSES and example.style in STYLES, example


def test_every_topic_is_written_in_every_style_of_speech() -> None:
    count = Counter((example.topic, example.style) for example in written_examples())
    for topic in TOPICS:
        for style, least in (("direct", 60), ("indirect", 120), ("entity", 50), ("mixed", 60)):
            assert count[topic, style] >= least, (topic, style)
        assert count[topic, "asr"] >= 40
    assert count["none", "lookalike"] >= 1000


def word_sets(texts: list[str], columns: dict[str, int]) -> sparse.csr_matrix:
    """Float [texts, words]: 1 where a text has a word."""
    found = [
        (row, columns.setdefault(word, len(columns)))
        for row, text in enumerate(texts)
        for word in set(words_of(text))
    ]
    rows, places = np.array(found).reshape(-1, 2).T
    return sparse.csr_matrix((np.ones(len(found)), (rows, places)), shape=(len(texts), 100_000))


def test_no_example_is_a_near_copy_of_a_text_that_measures_the_gate(
    repository: Path, eval_dir: Path | None
) -> None:
    places = sorted((repository / "benchmarks" / "held_out").glob("*.jsonl"))
    if eval_dir is not None:
        places += [eval_dir / "sensitive_dev.jsonl", eval_dir / "benign_dev.jsonl"]
    measured = [
        json.loads(line)["text"]
        for place in places
        for line in place.read_text("utf-8").splitlines()
    ]
    assert measured
    columns: dict[str, int] = {}
    ours = word_sets([e.text for e in written_examples()], columns)
    theirs = word_sets(measured, columns)
    shared = (ours @ theirs.T).toarray()
    sizes = np.asarray(ours.sum(1)) + np.asarray(theirs.sum(1)).T
    alike = shared / (sizes - shared)  # Jaccard, of words
    assert alike[np.asarray(ours.sum(1)).ravel() >= 5].max() <= 0.6


def made_inputs(count: int) -> tuple[train.Inputs, "np.ndarray[tuple[int], np.dtype[np.intp]]"]:
    """Texts of two kinds that differ in one embedding direction."""
    rng = np.random.default_rng(3)
    classes = np.where(rng.random(count) < 0.5, 0, len(CLASSES) - 1)
    embeddings = rng.standard_normal((count, 384)).astype(np.float32) * 0.02
    embeddings[:, 0] += np.where(classes == 0, 0.5, -0.5)
    grams = sparse.random(count, GRAM_BUCKETS, 0.001, format="csr", random_state=3)
    lexicon = np.zeros((count, LEXICON_WIDTH), np.float32)
    return train.Inputs(embeddings, grams.astype(np.float32), lexicon), classes


def test_training_learns_and_gives_the_same_network_twice() -> None:
    inputs, classes = made_inputs(400)
    weights = np.ones(len(classes), np.float32)
    once, again = (train.train(inputs, classes, weights, seed=1) for _ in range(2))
    assert all(np.array_equal(once[name], again[name]) for name in once)
    guess = train.probabilities([once], inputs).argmax(1)
    assert (guess == classes).mean() > 0.95


def test_the_gate_reads_the_networks_as_training_made_them() -> None:
    networks = load_networks()
    words = ["when", "is", "mass"]
    embedding = np.full(384, 384**-0.5, np.float32)
    lexicon = np.zeros(LEXICON_WIDTH, np.float32)
    buckets = gram_buckets(words)
    values = np.full(len(buckets), 1 / np.sqrt(len(buckets) + 1), np.float32)
    grams = sparse.csr_matrix((values, buckets, [0, len(buckets)]), shape=(1, GRAM_BUCKETS))
    arrays = [{name: getattr(network, name) for name in network.__slots__} for network in networks]
    whole = train.probabilities(arrays, train.Inputs(embedding[None], grams, lexicon[None]))
    single = mean_probabilities(networks, embedding[None], [buckets], lexicon[None])
    assert np.allclose(whole, single, atol=1e-5)


def test_sounds_that_are_easily_confused_lie_close() -> None:
    close, far = _distance(("B", "AE", "T"), ("P", "AE", "D")), _distance(("B", "AE"), ("S", "OW"))
    assert close < far
    assert _distance(("K", "AE", "T"), ("K", "AE", "T")) == 0
