"""The loss: soft age labels (DLDL, Gao et al. 2017), distance of the mean age, age ranges, gender.

An age range is an interval-censored label: it costs -log of the probability that the answered
distribution gives to the range. Where a teacher has answered for a face, its answer is mixed into
the label (Hinton, Vinyals, Dean 2015). What nobody told adds nothing. Two views of a face may be
held to one answer (R-Drop's distance, Wu et al. 2021, eq. 2, between views instead of dropouts),
or a changed view to what the averaged weights answer for the unchanged one (Mean Teacher, Tarvainen
and Valpola 2017, section 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.labels import UNKNOWN
from training.recipe import Loss

GROWN = 20
"""From this age on, in years, labels are as wide as an adult's."""


@dataclass(frozen=True)
class Targets:
    """What each face should be answered."""

    age: Tensor
    """`[n, bins]`, a distribution, or less than one whose sum is its share of the loss."""
    in_range: Tensor
    """`[n, bins]`, 1 in the range and 0 outside; all 0 where there is none."""
    range_share: Tensor
    """`[n]`: the weight of the range."""
    female: Tensor
    """`[n]`, 0 to 1."""
    gender_known: Tensor
    """`[n]`, 1 or 0."""


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
    age_low: Tensor,
    age_high: Tensor,
    genders: Tensor,
    teacher: Tensor | None,
    bins: int,
    recipe: Loss,
) -> Targets:
    """From labels `[n]`, as `training.data.labels` has them, to what each face should be answered.

    `teacher` `[n, bins + 1]` is a teacher's answer, the last column female; its share is
    `recipe.teacher`, and all of it for what is unknown.
    """
    known = age_low != UNKNOWN
    exact = known & (age_low == age_high)
    age = soft_labels(age_low, label_width(age_low, recipe), bins) * exact[:, None]
    years = torch.arange(bins, device=age.device)
    in_range = (age_low[:, None] <= years) & (years <= age_high[:, None])
    in_range &= (known & ~exact)[:, None]
    range_share = (known & ~exact).to(age.dtype)
    told = genders != UNKNOWN
    female, gender_known = (genders == 1).to(age.dtype), told.to(age.dtype)
    if teacher is not None:
        teacher = teacher.to(age.dtype)
        share = torch.where(known, recipe.teacher, 1.0)
        age = torch.lerp(age, teacher[:, :-1], share[:, None])
        range_share = range_share * (1 - share)
        female = torch.lerp(female, teacher[:, -1], torch.where(told, recipe.teacher, 1.0))
        gender_known = torch.ones_like(gender_known)
    return Targets(age, in_range.to(age.dtype), range_share, female, gender_known)


def age_gender_loss(
    age_logits: Tensor, female_logits: Tensor, target: Targets, recipe: Loss
) -> Tensor:
    """Cross-entropy + L1 of the mean age (years) + range + binary cross-entropy of the gender.

    Each part is a mean over all faces, those of which it knows nothing counted with 0, so that the
    loss of a batch is the mean of the losses of its parts, however it is cut.
    """
    years = torch.arange(age_logits.shape[1], device=age_logits.device, dtype=age_logits.dtype)
    told = target.age.sum(dim=1)
    distribution = F.cross_entropy(age_logits, target.age)
    error = (age_logits.softmax(dim=1) @ years * told - target.age @ years).abs()
    outside = torch.where(target.in_range > 0, 0.0, -torch.inf)
    outside = torch.where(target.in_range.any(dim=1, keepdim=True), outside, 0.0)
    within = (age_logits.log_softmax(dim=1) + outside).logsumexp(dim=1)
    gender = F.binary_cross_entropy_with_logits(female_logits, target.female, reduction="none")
    return (
        distribution
        + recipe.age_l1 * error.mean()
        - (within * target.range_share).mean()
        + recipe.gender * (gender * target.gender_known).mean()
    )


def disagreement(age_logits: Tensor, female_logits: Tensor) -> Tensor:
    """Mean over faces of the symmetric divergence between the answers for two views, in nats.

    `[2n, bins]` and `[2n]`: first one view of every face, then the other of each.
    """
    ages, genders = _log_probabilities(age_logits, female_logits)
    pairs = ages.chunk(2), genders.chunk(2)
    both = [_divergence(a, b) + _divergence(b, a) for a, b in pairs]
    return torch.stack(both).sum() / 2


def departure(student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Mean over faces of the divergence of a student's answers from a teacher's, in nats.

    Each is age logits `[n, bins]` and female logits `[n]`.
    """
    pairs = zip(_log_probabilities(*teacher), _log_probabilities(*student), strict=True)
    return torch.stack([_divergence(right, answered) for right, answered in pairs]).sum()


def _log_probabilities(age_logits: Tensor, female_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Log probabilities of the ages `[n, bins]` and of both genders `[n, 2]`."""
    signs = torch.tensor([1.0, -1.0], device=female_logits.device)
    return age_logits.log_softmax(dim=1), F.logsigmoid(female_logits[:, None] * signs)


def _divergence(right: Tensor, answered: Tensor) -> Tensor:
    """Kullback-Leibler divergence of `answered` from `right`, log probabilities `[n, k]`, mean."""
    return F.kl_div(answered, right, reduction="batchmean", log_target=True)
