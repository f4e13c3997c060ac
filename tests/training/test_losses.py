import pytest
import torch

from training.dataset import UNKNOWN_AGE
from training.losses import age_gender_loss, label_width, soft_labels, targets
from training.recipe import Loss


def test_soft_labels_are_a_distribution_around_the_age() -> None:
    labels = soft_labels(torch.tensor([0, 30, 100]), 2.0, 101)
    assert labels.sum(dim=1) == pytest.approx(torch.ones(3))
    assert labels.argmax(dim=1).tolist() == [0, 30, 100]
    spread = (labels[1] * (torch.arange(101) - 30) ** 2).sum().sqrt()
    assert spread == pytest.approx(2, abs=0.01)


def loss_of(
    age_logits: torch.Tensor,
    female_logits: torch.Tensor,
    ages: torch.Tensor,
    female: torch.Tensor,
    recipe: Loss,
    taught: torch.Tensor | None = None,
) -> torch.Tensor:
    return age_gender_loss(
        age_logits, female_logits, *targets(ages, female, taught, 101, recipe), recipe
    )


def test_an_uninformed_answer_costs_what_the_definition_says() -> None:
    ages, female = torch.tensor([50, 50]), torch.tensor([True, False])
    loss = loss_of(torch.zeros(2, 101), torch.zeros(2), ages, female, Loss(age_l1=0))
    assert loss == pytest.approx(torch.tensor(101.0).log() + torch.tensor(2.0).log())


def test_a_better_answer_costs_less() -> None:
    ages, female = torch.tensor([20, 60]), torch.tensor([True, False])

    def loss(guess: torch.Tensor, gender: torch.Tensor) -> float:
        logits = soft_labels(guess, 2.0, 101).clamp_min(1e-9).log()
        return float(loss_of(logits, gender, ages, female, Loss()))

    right, wrong = torch.tensor([3.0, -3.0]), torch.tensor([-3.0, 3.0])
    assert loss(ages, right) < loss(ages + 5, right) < loss(ages + 15, right)
    assert loss(ages, right) < loss(ages, wrong)


def test_a_face_of_unknown_age_counts_for_gender_alone() -> None:
    female_logits, female = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([True, True, False])
    unknown = torch.full((3,), UNKNOWN_AGE)
    logits = torch.randn(3, 101, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = loss_of(logits, female_logits, unknown, female, Loss())
    gender = torch.nn.functional.binary_cross_entropy_with_logits(female_logits, female.float())
    torch.testing.assert_close(loss, gender)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


def test_the_loss_of_a_batch_is_the_mean_of_its_halves() -> None:
    generator = torch.Generator().manual_seed(0)
    faces = (
        torch.randn(4, 101, generator=generator),
        torch.randn(4, generator=generator),
        torch.tensor([30, 60, UNKNOWN_AGE, 8]),
        torch.tensor([True, True, False, True]),
    )
    logits, female_logits, ages, female = faces
    halves = [
        loss_of(logits[half], female_logits[half], ages[half], female[half], Loss())
        for half in ([0, 1], [2, 3])
    ]
    whole = loss_of(logits, female_logits, ages, female, Loss())
    torch.testing.assert_close(whole, torch.stack(halves).mean())


def test_a_baby_s_age_is_a_narrower_label() -> None:
    ages, recipe = torch.tensor([0, 10, 20, 60]), Loss(age_sigma=2, infant_sigma=0.5)
    assert label_width(ages, recipe).tolist() == [0.5, 1.25, 2, 2]
    labels, _ = targets(ages, torch.ones(4), None, 101, recipe)
    assert (labels @ torch.arange(101.0))[0] < 0.3
    assert labels.argmax(dim=1).tolist() == ages.tolist()


def test_a_teacher_shares_in_the_label_and_tells_unknown_ages() -> None:
    taught = torch.zeros(2, 102)
    taught[:, 40], taught[:, -1] = 1, 0.8
    ages, female = torch.tensor([20, UNKNOWN_AGE]), torch.tensor([True, False])
    age, gender = targets(ages, female, taught, 101, Loss(taught=0.25))
    assert age.sum(dim=1) == pytest.approx(torch.ones(2))
    assert age[:, 40].tolist() == [0.25, 1]
    assert age[0, 20] == pytest.approx(0.75 * soft_labels(torch.tensor([20]), 2.0, 101)[0, 20])
    assert gender == pytest.approx(torch.tensor([0.75 + 0.25 * 0.8, 0.25 * 0.8]))
