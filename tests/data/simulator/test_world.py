"""The truth behind the simulated shop: what is drawn is what probabilities say."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.data.simulator import World, simulate_history
from aisle.data.simulator.policy import show_lists
from aisle.data.simulator.visitors import Visitors
from aisle.data.simulator.world import EXAMINATION, LIST_LENGTH, SATED


@pytest.fixture(scope="module")
def world() -> World:
    return World.draw(num_users=300, num_items=120, num_days=120, seed=0)


def test_prices_are_whole_cents(world: World) -> None:
    prices = world.assortment.price_V
    assert prices.min() > 0
    assert all(price == round(price, 2) for price in prices.tolist())


def test_tastes_move_from_the_first_to_the_later_one(world: World) -> None:
    people = world.people
    (moving,) = np.nonzero((people.change_day_U > 20) & (people.change_day_U < 100))
    user_B, middle_B = moving, people.change_day_U[moving]
    for days, share in ((-10.0, 0.0), (0.0, 0.5), (5.0, 0.75), (10.0, 1.0)):
        expected_BC = (1 - share) * people.taste_UC[user_B] + share * people.later_taste_UC[user_B]
        assert np.allclose(people.taste(user_B, middle_B + days), expected_BC)
    assert len(moving) > 50
    assert (people.taste_UC[moving].argmax(axis=1) != people.later_taste_UC[moving].argmax(axis=1)).mean() > 0.4


def test_first_places_are_given_as_often_as_propensities_say(world: World) -> None:
    shown = show_lists(world, np.full(20_000, 40.0), np.random.default_rng(0))
    first_B, told_B = shown.item_BK[:, 0], shown.propensity_BK[:, 0]
    for item in np.unique(first_B):
        told = told_B[first_B == item][0]
        share = (first_B == item).mean()
        assert share == pytest.approx(told, abs=4 * (told / len(first_B)) ** 0.5)
    assert len(np.unique(first_B)) == 60


def test_clicks_come_as_often_as_examination_and_interest_say(world: World) -> None:
    history = simulate_history(world, 120)
    visits, item_BK = history.visits, history.shown.item_BK
    chance_BK = EXAMINATION * world.click_probability(visits.user_B, item_BK, visits.day_B)
    clicked_K = np.bincount(history.looks.filter(history.looks["position"] >= 0)["position"], minlength=LIST_LENGTH)
    expected_K, deviation_K = chance_BK.sum(axis=0), np.sqrt((chance_BK * (1 - chance_BK)).sum(axis=0))
    assert (np.abs(clicked_K - expected_K) < 3.5 * deviation_K).all()
    assert clicked_K[0] > 2.5 * clicked_K[-1]


def test_a_visit_has_the_same_luck_whatever_is_shown(world: World) -> None:
    history = simulate_history(world, 90)
    one, other = Visitors(world, history, 90), Visitors(world, history, 90)
    usual = list(range(LIST_LENGTH))
    clicked: list[set[int]] = [set(), set()]
    for day in range(90, 100):
        pairs = zip(one.of_day(day), other.of_day(day), strict=False)
        for number, (visit, twin) in enumerate(pairs):
            assert visit.session_id == twin.session_id
            assert np.array_equal(visit.luck_3V, twin.luck_3V)
            responses = one.respond(visit, np.array(usual)), other.respond(twin, np.array(usual[:5]))
            assert {item for item, place in responses[0].position_of.items() if place < 5} == set(
                responses[1].position_of
            )
            for into, response in zip(clicked, responses, strict=True):
                into |= {(number, item) for item in response.position_of}  # type: ignore[misc]
    assert len(clicked[0]) > len(clicked[1]) > 0


def test_expected_purchases_are_what_many_visits_come_to(world: World) -> None:
    history = simulate_history(world, 90)
    visitors = Visitors(world, history, 90)
    expected, bought = 0.0, 0
    best_V = np.argsort(-world.assortment.popularity_WV[13])
    for day in range(90, 120):
        for visit in visitors.of_day(day):
            response = visitors.respond(visit, best_V[:LIST_LENGTH])
            if visit.wanted < 0:
                expected += response.expected
                bought += sum(item in response.bought for item in response.position_of)
    assert bought > 50
    # A complement that was clicked too is bought somewhat more often than on its own.
    assert bought == pytest.approx(expected, abs=3.5 * expected**0.5)


def test_who_has_a_thing_that_lasts_wants_it_less(world: World) -> None:
    history = simulate_history(world, 90)
    visitors = Visitors(world, history, 90)
    visit = next(iter(visitors.of_day(90)))
    lasting = int(np.flatnonzero(world.lasts(np.arange(120)) & ~visitors._has_UG[visit.user])[0])
    before = visitors.respond(visit, np.array([lasting])).expected
    visitors._has_UG[visit.user, world.assortment.group_V[lasting]] = True
    assert visitors.respond(visit, np.array([lasting])).expected == pytest.approx(SATED * before)
