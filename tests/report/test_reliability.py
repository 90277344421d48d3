from glasses_signals.report.reliability import load_curve


def test_the_shipped_curve_is_of_many_interests_and_dated() -> None:
    curve = load_curve()
    assert curve.interests >= 500
    assert curve.measured_on >= "2026-11-24"
    assert curve.models


def test_each_bin_lies_inside_its_interval() -> None:
    for b in load_curve().bins:
        assert 0 <= b.low <= b.right <= b.high <= 1
        assert 0 <= b.said <= 1


def test_the_stated_error_is_the_mean_gap_of_the_bins() -> None:
    curve = load_curve()
    gaps = sum(b.interests * abs(b.said - b.right) for b in curve.bins)
    assert abs(curve.error - gaps / curve.interests) < 1e-9
