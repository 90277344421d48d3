import pytest

from glasses_signals.errors import BadInput
from glasses_signals.interests.taxonomy import load_taxonomy
from glasses_signals.records import InterestKind


def test_interest_and_purchase_intent_trees_are_complete() -> None:
    kinds = [node.kind for node in load_taxonomy()]
    assert kinds.count(InterestKind.INTEREST) == 497
    assert kinds.count(InterestKind.PURCHASE_INTENT) == 864


def test_demographic_nodes_are_not_there() -> None:
    taxonomy = load_taxonomy()
    assert {node.path[0] for node in taxonomy} == {"Interest", "Purchase Intent"}
    with pytest.raises(BadInput, match="demographic"):
        taxonomy.node("3")


def test_hiking_gear_has_its_whole_path() -> None:
    assert load_taxonomy().node("1637").path == (
        "Purchase Intent",
        "Sporting Goods",
        "Outdoor Recreation Equipment",
        "Camping and Hiking Equipment",
    )


def test_ancestors_run_to_the_root() -> None:
    names = [node.name for node in load_taxonomy().ancestors("610")]
    assert names == ["Sports", "Interest"]


def test_every_parent_lists_its_child_and_has_its_path_as_prefix() -> None:
    taxonomy = load_taxonomy()
    for node in taxonomy:
        if node.parent_id is not None:
            parent = taxonomy.node(node.parent_id)
            assert node in taxonomy.children(parent.id)
            assert node.path[: len(parent.path)] == parent.path


@pytest.mark.parametrize(
    ("id_", "parent"), [("1391", "Insurance"), ("1175", "Refrigerated"), ("1393", "Insurance")]
)
def test_wrong_parent_ids_of_the_published_table_are_mended(id_: str, parent: str) -> None:
    assert load_taxonomy().ancestors(id_)[0].name == parent


@pytest.mark.parametrize(
    ("id_", "tier2"),
    [
        ("725", "Travel"),
        ("719", "Travel"),
        ("384", None),
        ("1637", "Sports"),
        ("977", "Food & Drink"),
        ("954", "Technology & Computing"),
        ("1281", "Pets"),
        ("930", "Style & Fashion"),
    ],
)
def test_tier2_of_interests_and_purchase_intents(id_: str, tier2: str | None) -> None:
    taxonomy = load_taxonomy()
    if tier2 is None:
        assert id_ not in taxonomy
    else:
        assert taxonomy.tier2(id_).name == tier2


def test_every_node_under_a_root_has_a_tier2_among_the_interests() -> None:
    taxonomy = load_taxonomy()
    tier2 = {node.id for node in taxonomy.children("206")}
    assert all(taxonomy.tier2(node.id).id in tier2 for node in taxonomy if len(node.path) > 1)


@pytest.mark.parametrize("root", ["206", "752"])
def test_a_root_has_no_tier2(root: str) -> None:
    with pytest.raises(BadInput):
        load_taxonomy().tier2(root)
