import pytest
import torch
from torch.nn import functional as F

from training.data.labels import UNKNOWN
from training.engine.losses import (
    Targets,
    age_gender_loss,
    departure,
    disagreement,
    label_width,
    soft_labels,
    targets,
)
from training.recipe import Loss


def wanted(
    ages: list[int | tuple[int, int]],
    genders: list[int],
    recipe: Loss,
    teacher: torch.Tensor | None = None,
) -> Targets:
    """Of exact ages, ranges and `UNKNOWN`."""
    bounds = [age if isinstance(age, tuple) else (age, age) for age in ages]
    low, high = torch.tensor(bounds).T
    return targets(low, high, torch.tensor(genders), teacher, 101, recipe)


def loss_of(
    age_logits: torch.Tensor,
    female_logits: torch.Tensor,
    ages: list[int | tuple[int, int]],
    genders: list[int],
    recipe: Loss,
) -> torch.Tensor:
    return age_gender_loss(age_logits, female_logits, wanted(ages, genders, recipe), recipe)


def random_logits(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, 101, generator=generator), torch.randn(n, generator=generator)


def test_soft_labels_are_a_distribution_around_the_age() -> None:
    labels = soft_labels(torch.tensor([0, 30, 100]), 2.0, 101)
    assert labels.sum(dim=1) == pytest.approx(torch.ones(3))
    assert labels.argmax(dim=1).tolist() == [0, 30, 100]
    spread = (labels[1] * (torch.arange(101) - 30) ** 2).sum().sqrt()
    assert float(spread) == pytest.approx(2, abs=0.01)


def test_an_uninformed_answer_costs_what_the_definition_says() -> None:
    loss = loss_of(torch.zeros(2, 101), torch.zeros(2), [50, 50], [1, 0], Loss(age_l1=0))
    torch.testing.assert_close(loss, torch.tensor(101.0).log() + torch.tensor(2.0).log())


def test_a_better_answer_costs_less() -> None:
    def loss(guess: list[int], gender: list[float]) -> float:
        logits = soft_labels(torch.tensor(guess), 2.0, 101).clamp_min(1e-9).log()
        return float(loss_of(logits, torch.tensor(gender), [20, 60], [1, 0], Loss()))

    right, wrong = [3.0, -3.0], [-3.0, 3.0]
    assert loss([20, 60], right) < loss([25, 65], right) < loss([35, 75], right)
    assert loss([20, 60], right) < loss([20, 60], wrong)


def test_a_range_costs_the_logarithm_of_the_probability_it_is_given() -> None:
    age_logits, female_logits = random_logits(2)
    recipe = Loss(gender=0)
    loss = loss_of(age_logits, female_logits, [(20, 36), (66, 100)], [1, 0], recipe)
    probabilities = age_logits.softmax(dim=1)
    given = torch.stack([probabilities[0, 20:37].sum(), probabilities[1, 66:].sum()])
    torch.testing.assert_close(loss, -given.log().mean())


def test_within_its_range_no_age_is_preferred() -> None:
    """All ages inside are drawn up by the share they have, all outside down."""
    logits = torch.zeros(1, 101, requires_grad=True)
    loss_of(logits, torch.zeros(1), [(20, 36)], [UNKNOWN], Loss()).backward()
    assert logits.grad is not None
    assert logits.grad[0, 20:37].unique().numel() == 1
    assert logits.grad[0, 20] < 0 < logits.grad[0, 19]


def test_an_impossible_range_costs_much_but_is_finite() -> None:
    logits = torch.full((1, 101), -200.0, requires_grad=True)
    with torch.no_grad():
        logits[0, 90] = 200
    loss = loss_of(logits, torch.zeros(1), [(3, 7)], [0], Loss())
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_what_nobody_told_adds_nothing() -> None:
    age_logits, female_logits = random_logits(3)
    age_logits.requires_grad_()
    loss = loss_of(age_logits, female_logits, [UNKNOWN] * 3, [1, UNKNOWN, 0], Loss())
    told = F.binary_cross_entropy_with_logits(
        female_logits[[0, 2]], torch.tensor([1.0, 0.0]), reduction="sum"
    )
    torch.testing.assert_close(loss, told / 3)
    loss.backward()
    assert age_logits.grad is not None
    assert age_logits.grad.abs().max() == 0


def test_the_loss_of_a_batch_is_the_mean_of_its_parts() -> None:
    age_logits, female_logits = random_logits(6)
    ages: list[int | tuple[int, int]] = [30, 60, UNKNOWN, 8, (3, 7), (20, 36)]
    genders = [1, 1, 0, UNKNOWN, 1, UNKNOWN]
    parts = [
        loss_of(age_logits[i : i + 2], female_logits[i : i + 2], ages[i : i + 2], some, Loss())
        for i, some in ((0, genders[:2]), (2, genders[2:4]), (4, genders[4:]))
    ]
    whole = loss_of(age_logits, female_logits, ages, genders, Loss())
    torch.testing.assert_close(whole, torch.stack(parts).mean())


def test_a_baby_s_age_is_a_narrower_label() -> None:
    ages, recipe = [0, 10, 20, 60], Loss(age_sigma=2, infant_sigma=0.5)
    assert label_width(torch.tensor(ages), recipe).tolist() == [0.5, 1.25, 2, 2]
    labels = wanted([*ages], [1] * 4, recipe).age
    assert (labels @ torch.arange(101.0))[0] < 0.3
    assert labels.argmax(dim=1).tolist() == ages


def test_a_teacher_shares_in_the_label_and_tells_what_is_unknown() -> None:
    teacher = torch.zeros(3, 102)
    teacher[:, 40], teacher[:, -1] = 1, 0.8
    found = wanted([20, UNKNOWN, (20, 36)], [1, UNKNOWN, 0], Loss(teacher=0.25), teacher)
    assert found.age[:, 40].tolist() == [0.25, 1, 0.25]
    assert found.age.sum(dim=1).tolist() == pytest.approx([1, 1, 0.25])
    assert found.range_share.tolist() == [0, 0, 0.75]
    assert found.female.tolist() == pytest.approx([0.95, 0.8, 0.2])
    assert found.gender_known.tolist() == [1, 1, 1]


def test_views_that_agree_cost_nothing_and_others_what_the_definition_says() -> None:
    age_logits, female_logits = random_logits(2)
    agreed = disagreement(age_logits.repeat(2, 1), female_logits.repeat(2))
    torch.testing.assert_close(agreed, torch.tensor(0.0))
    one, other = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    ages = torch.stack([one, other]).log()
    apart = (
        F.kl_div(ages[0], other, reduction="sum") + F.kl_div(ages[1], one, reduction="sum")
    ) / 2
    torch.testing.assert_close(disagreement(ages, torch.zeros(2)), apart)
    female = torch.tensor([0.9, 0.5]).logit()
    torch.testing.assert_close(disagreement(torch.zeros(2, 101), female), apart)


def test_departing_from_a_teacher_costs_what_the_definition_says() -> None:
    age_logits, female_logits = random_logits(2)
    answered = age_logits, female_logits
    torch.testing.assert_close(departure(answered, answered), torch.tensor(0.0))
    teacher, student = torch.tensor([0.9, 0.1]), torch.tensor([0.5, 0.5])
    apart = F.kl_div(student.log(), teacher, reduction="sum")
    undecided = torch.zeros(1)
    found = departure((student.log()[None], undecided), (teacher.log()[None], undecided))
    torch.testing.assert_close(found, apart)
    flat = torch.zeros(1, 101)
    found = departure((flat, undecided), (flat, torch.tensor([0.9]).logit()))
    torch.testing.assert_close(found, apart)
