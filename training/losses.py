"""The loss: soft age labels (DLDL, Gao et al. 2017), distance of the mean age, gender.

Where a teacher has answered for a face, its answer is mixed into the label (Hinton, Vinyals, Dean
2015).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.dataset import UNKNOWN_AGE
from training.recipe import Loss

GROWN = 20
"""From this age on, in years, labels are as wide as an adult's."""


def soft_labels(ages: Tensor, sigma: float | Tensor, bins: int) -> Tensor:
    """Gaussian of width `sigma` (years) around each age, `[n] -> [n, bins]`, rows summing to 1.

    `sigma` may differ by face, `[n]`.
    """
    distance = torch.arange(bins, device=ages.device) - ages[:, None]
    width = torch.as_tensor(sigma, device=ages.device).expand(len(ages))[:, None]
    return torch.softmax(-(distance**2) / (2 * width**2), dim=1)


def label_width(ages: Tensor, recipe: Loss) -> Tensor:
    """Sigma of each label, `[n] -> [n]`, years: a baby's age is known better than an adult's."""
    grown = (ages / GROWN).clamp(0, 1)
    return recipe.infant_sigma + grown * (recipe.age_sigma - recipe.infant_sigma)


def targets(
    ages: Tensor, female: Tensor, taught: Tensor | None, bins: int, recipe: Loss
) -> tuple[Tensor, Tensor]:
    """What each face should be answered: `[n, bins]` and `[n]`.

    `taught` `[n, bins + 1]` is the teacher's answer, the last column female; its share is
    `recipe.taught`, of the age of a face of `UNKNOWN_AGE` all of it. Without a teacher such a
    face's row is zero.
    """
    known = ages != UNKNOWN_AGE
    age = soft_labels(ages, label_width(ages, recipe), bins) * known[:, None]
    gender = female.to(age.dtype)
    if taught is None:
        return age, gender
    taught = taught.to(age.dtype)
    share = torch.where(known, recipe.taught, 1.0)[:, None]
    return torch.lerp(age, taught[:, :-1], share), torch.lerp(gender, taught[:, -1], recipe.taught)


def age_gender_loss(
    age_logits: Tensor, female_logits: Tensor, age: Tensor, female: Tensor, recipe: Loss
) -> Tensor:
    """Cross-entropy + L1 of the mean age (years) + binary cross-entropy, means over the faces.

    `age` and `female` are `targets`'; a row of zeros adds nothing to the parts about age, so that
    the loss of a batch is the mean of the losses of its parts, however it is cut.
    """
    years = torch.arange(age.shape[1], device=age.device, dtype=age.dtype)
    distribution = F.cross_entropy(age_logits, age)
    distance = ((age_logits.softmax(dim=1) @ years - age @ years).abs() * age.sum(dim=1)).mean()
    gender = F.binary_cross_entropy_with_logits(female_logits, female)
    return distribution + recipe.age_l1 * distance + recipe.gender * gender
