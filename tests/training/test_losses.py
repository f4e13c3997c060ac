import pytest
import torch

from training.dataset import UNKNOWN_AGE
from training.losses import age_gender_loss, soft_labels
from training.recipe import Loss


def test_soft_labels_are_a_distribution_around_the_age() -> None:
    labels = soft_labels(torch.tensor([0, 30, 100]), 2.0, 101)
    assert labels.sum(dim=1) == pytest.approx(torch.ones(3))
    assert labels.argmax(dim=1).tolist() == [0, 30, 100]
    spread = (labels[1] * (torch.arange(101) - 30) ** 2).sum().sqrt()
    assert spread == pytest.approx(2, abs=0.01)


def test_an_uninformed_answer_costs_what_the_definition_says() -> None:
    ages, female = torch.tensor([50, 50]), torch.tensor([True, False])
    loss = age_gender_loss(torch.zeros(2, 101), torch.zeros(2), ages, female, Loss(age_l1=0))
    assert loss == pytest.approx(torch.tensor(101.0).log() + torch.tensor(2.0).log())


def test_a_better_answer_costs_less() -> None:
    ages, female = torch.tensor([20, 60]), torch.tensor([True, False])

    def loss(guess: torch.Tensor, gender: torch.Tensor) -> float:
        logits = soft_labels(guess, 2.0, 101).clamp_min(1e-9).log()
        return float(age_gender_loss(logits, gender, ages, female, Loss()))

    right, wrong = torch.tensor([3.0, -3.0]), torch.tensor([-3.0, 3.0])
    assert loss(ages, right) < loss(ages + 5, right) < loss(ages + 15, right)
    assert loss(ages, right) < loss(ages, wrong)


def test_a_face_of_unknown_age_counts_for_gender_alone() -> None:
    logits = torch.randn(3, 101, generator=torch.Generator().manual_seed(0))
    female_logits = torch.tensor([2.0, -1.0, 0.5])
    female = torch.tensor([True, True, False])
    ages = torch.tensor([30, 60, UNKNOWN_AGE])
    known = age_gender_loss(logits[:2], female_logits[:2], ages[:2], female[:2], Loss(gender=0))
    both = age_gender_loss(logits, female_logits, ages, female, Loss(gender=0))
    torch.testing.assert_close(both, known)
    gender = torch.nn.functional.binary_cross_entropy_with_logits(female_logits, female.float())
    alone = age_gender_loss(logits, female_logits, torch.full((3,), UNKNOWN_AGE), female, Loss())
    torch.testing.assert_close(alone, gender)
