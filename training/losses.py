"""The loss: soft age labels (DLDL, Gao et al. 2017), distance of the mean age, gender."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.dataset import UNKNOWN_AGE
from training.recipe import Loss


def soft_labels(ages: Tensor, sigma: float, bins: int) -> Tensor:
    """Gaussian of width `sigma` (years) around each age, `[n] -> [n, bins]`, rows summing to 1."""
    distance = torch.arange(bins, device=ages.device) - ages[:, None]
    return torch.softmax(-(distance**2) / (2 * sigma**2), dim=1)


def age_gender_loss(
    age_logits: Tensor, female_logits: Tensor, ages: Tensor, female: Tensor, recipe: Loss
) -> Tensor:
    """Cross-entropy + L1 of the mean age (years) + binary cross-entropy, each a mean over faces.

    Faces of age `UNKNOWN_AGE` count for gender alone.
    """
    gender = F.binary_cross_entropy_with_logits(female_logits, female.to(female_logits.dtype))
    known = ages != UNKNOWN_AGE
    if not known.any():
        return recipe.gender * gender
    age_logits, ages = age_logits[known], ages[known]
    bins = age_logits.shape[1]
    distribution = F.cross_entropy(age_logits, soft_labels(ages, recipe.age_sigma, bins))
    years = torch.arange(bins, device=ages.device, dtype=age_logits.dtype)
    distance = F.l1_loss(age_logits.softmax(dim=1) @ years, ages.to(age_logits.dtype))
    return distribution + recipe.age_l1 * distance + recipe.gender * gender
