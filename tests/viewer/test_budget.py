from maquette.viewer.budget import HEIGHTS, REFRESH_SECONDS, Budget, PictureCost, pixels


def test_pictures_take_no_more_than_the_share_of_the_steps():
    budget, cost = Budget(fraction=0.1), PictureCost()
    spent = 0.0
    for step in range(2000):
        budget.earn(0.5)
        height = cost.largest_height(budget.left, 1.0) if budget.left > 0 else None
        if height is not None:
            seconds = pixels(height, 1.0) * 2e-6 * (1.5 if step % 3 else 0.5)  # noisy
            cost.record(pixels(height, 1.0), seconds)
            budget.spend(seconds)
            spent += seconds
    assert 0.08 * 1000 < spent <= 0.1 * 1000


def test_a_debt_is_paid_before_the_next_picture():
    budget = Budget(fraction=0.1)
    budget.earn(1.0)
    budget.spend(0.5)
    budget.earn(3.0)
    assert budget.left < 0


def test_what_is_earned_beyond_a_picture_at_rest_is_forgotten():
    budget = Budget(fraction=0.1)
    budget.earn(1000.0)
    assert budget.left == 0.1 * REFRESH_SECONDS


def test_cost_grows_with_the_pixels_and_the_first_picture_is_small():
    cost = PictureCost()
    assert cost.largest_height(0.0, 1.0) == HEIGHTS[0]
    cost.record(pixels(64, 1.0), 0.1)
    assert cost.estimate(pixels(128, 1.0)) == 0.4
    assert cost.estimate(pixels(48, 1.0)) == 0.1  # what a small picture costs beside its pixels is not known
    assert cost.largest_height(0.41, 1.0) == 128
    assert cost.largest_height(0.05, 1.0) is None
