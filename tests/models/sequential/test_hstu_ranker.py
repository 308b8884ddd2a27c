"""HSTU as a ranker: candidates scored together are as if each came next alone, and it learns what can be known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aisle.models.sequential.hstu_ranker import HSTURanker


def ranker(num_items: int = 12, num_actions: int = 3, *, max_items: int = 10) -> HSTURanker:
    generator = torch.Generator().manual_seed(0)
    model = HSTURanker(num_items, num_actions, 8, max_items=max_items, num_heads=2, dropout=0.0, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=generator)
    return model.eval()


def histories(length: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    items = torch.randint(0, 12, (2, length), generator=generator)
    return items, torch.randint(0, 3, (2, length), generator=generator)


@pytest.mark.parametrize("at_once", [1, 2, 5, 100])
def test_together_as_one_by_one(at_once: int) -> None:
    model, (items, actions) = ranker(), histories()
    candidates = torch.arange(10).view(2, 5)
    with torch.no_grad():
        together = model.score_candidates(items, actions, candidates, at_once=at_once)
        for number in range(5):
            one = candidates[:, number : number + 1]
            nothing_yet = torch.zeros_like(one)
            alone = model(torch.cat([items, one], 1), torch.cat([actions, nothing_yet], 1))[:, -1]
            torch.testing.assert_close(together[:, number], alone, rtol=1e-5, atol=1e-6)
    assert together.std() > 0.01, "scores of equal value would agree too"


def test_histories_of_other_lengths_in_one_batch() -> None:
    model, (items, actions) = ranker(), histories()
    candidates, sizes = torch.arange(6).view(2, 3), torch.tensor([0, 4])
    with torch.no_grad():
        together = model.score_candidates(items, actions, candidates, sizes)
        for row, size in enumerate(sizes.tolist()):
            history, did = items[row : row + 1, :size], actions[row : row + 1, :size]
            for number, one in enumerate(candidates[row]):
                alone = model(torch.cat([history, one.view(1, 1)], 1), torch.cat([did, torch.zeros(1, 1).long()], 1))
                torch.testing.assert_close(together[row, number], alone[0, -1], rtol=1e-5, atol=1e-6)


def test_an_action_is_not_read_before_it_is_told() -> None:
    model, (items, actions) = ranker(), histories()
    other_actions, other_items = actions.clone(), items.clone()
    other_actions[:, 3] = (actions[:, 3] + 1) % 3
    other_items[:, 4] = (items[:, 4] + 1) % 12
    with torch.no_grad():
        logits, by_actions, by_items = model(items, actions), model(items, other_actions), model(other_items, actions)
    assert torch.equal(logits[:, :4], by_actions[:, :4])
    assert not torch.equal(logits[:, 4:], by_actions[:, 4:])
    assert torch.equal(logits[:, :4], by_items[:, :4])


def test_too_long_is_refused() -> None:
    model = ranker(max_items=6)
    items, actions = histories()
    with pytest.raises(ValueError, match="at most 5 items before a candidate, received 6"):
        model.score_candidates(items, actions, items)


def test_it_learns_that_people_differ() -> None:
    """Half of the people like even items, half odd ones; after some items it is clear who is who."""
    generator = torch.Generator().manual_seed(2)
    model = HSTURanker(12, 2, 16, max_items=12, dropout=0.0, generator=generator)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(300):
        items = torch.randint(0, 12, (32, 12), generator=generator)
        likes = ((items + torch.randint(0, 2, (32, 1), generator=generator)) % 2).long()
        loss = nn.functional.cross_entropy(model(items, likes).flatten(0, 1), likes.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        told = model(items, likes)[:, 4:].argmax(2)
    assert (told == likes[:, 4:]).float().mean() > 0.97
