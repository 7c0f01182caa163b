"""The losses, one function per equation: tensors in, a scalar out. Symbols as in the paper."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LABEL_SMOOTHING = 0.05
"""Share of a label's weight that all expressions get alike, wherever a classifier of expressions learns."""


def expression_loss(delta_exp: Tensor, C_RB: Tensor, C_RN: Tensor) -> Tensor:
    """L_exp: the extracted expression, a map, is near the displacement C_RB - C_RN (Eqs. 1, 2).

    The mean, not the sum, over a code's entries, so that the weight does not depend on the size of the code.
    """
    return F.mse_loss(delta_exp, C_RB - C_RN)


def mutual_information_loss(delta_exp: Tensor, mean: Tensor, log_variance: Tensor, entropy: bool = True) -> Tensor:
    """L_Q: Gaussian negative log-likelihood of delta_exp under Q given Psi's features (Eq. 3), mean over entries.

    Differs from the paper with `entropy` (the default): the bound on the mutual information is H(delta_exp) +
    E[log Q]; the paper drops H, and then shrinking delta_exp lowers the loss without end. Here H is kept as the
    entropy of a Gaussian with the batch's own variance, which makes the loss blind to the scale of delta_exp.
    """
    negative_log_q = 0.5 * (log_variance + (delta_exp - mean) ** 2 / log_variance.exp() + math.log(2 * math.pi))
    if not entropy:
        return negative_log_q.mean()
    variance = delta_exp.var(dim=0, unbiased=False) + 1e-8
    return negative_log_q.mean() - 0.5 * (variance.log() + math.log(2 * math.pi * math.e)).mean()


def interpolation_loss(C_IB: Tensor, C_IN: Tensor, delta_exp: Tensor, alpha: Tensor) -> Tensor:
    """The linear term of L_interp: I(C_IN, alpha delta_exp) is near C_IN + alpha delta_exp (Eqs. 5, 6).

    `delta_exp` is a map like the codes; alpha (B,) in [0, 1]. The adversarial term of Eq. 6 is `adversarial_loss`.
    """
    return F.mse_loss(C_IB, C_IN + alpha.view(-1, 1, 1, 1) * delta_exp)


def identity_loss(C_hat: Tensor, C_IA: Tensor) -> Tensor:
    """L_idt: a face's own expression on its own neutral code gives its own code back (Eq. 7)."""
    return F.mse_loss(C_hat, C_IA)


def siamese_loss(v_R: Tensor, v_I: Tensor) -> Tensor:
    """L_S: one minus the cosine of the transform vectors of reference and edit (Eqs. 9 to 11)."""
    return 1 - F.cosine_similarity(v_R, v_I, dim=1).mean()


def siamese_contrast_loss(v_R: Tensor, v_I: Tensor, temperature: float = 0.1) -> Tensor:
    """The loss of S itself: each edit's transform vector finds its own reference's among the batch's (InfoNCE).

    Differs from the paper, in which S too minimises Eq. 11: S can then make all vectors parallel, which ends the loss
    and its signal.
    """
    cosines = F.normalize(v_I, dim=1) @ F.normalize(v_R, dim=1).T
    return F.cross_entropy(cosines / temperature, torch.arange(len(v_R), device=v_R.device))


def critic_loss(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """The critic's loss without its penalty: E[D(C_hat)] - E[D(C)] (Eq. 12).

    Differs from the paper, which writes log D: WGAN-GP, which it says to adopt, has no logarithm, and a score can be
    negative.
    """
    return score_fake.mean() - score_real.mean()


def hinge_loss(score_real: Tensor, score_fake: Tensor) -> Tensor:
    """The loss of a critic whose gradient is bounded (not in the paper): scores beyond 1 and -1 cost nothing."""
    return F.relu(1 - score_real).mean() + F.relu(1 + score_fake).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """E[(|grad D(x)| - 1)^2] at random points between real and fake (Eq. 12), without its weight."""
    mix = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    excess: Tensor = gradient.flatten(1).norm(dim=1) - 1
    return (excess**2).mean()


def adversarial_loss(score_fake: Tensor) -> Tensor:
    """L_adv of E and I: -E[D(C_hat)] (Eq. 13; without the paper's logarithm, see `critic_loss`)."""
    return -score_fake.mean()


def perceptual_loss(features: Sequence[Tensor], target: Sequence[Tensor]) -> Tensor:
    """Squared distance of Phi's maps (Eq. 14 for D, Eq. 15 for E): summed over channels, mean over places and maps."""
    first, *others = [((a - b) ** 2).sum(dim=1).mean() for a, b in zip(features, target, strict=True)]
    return sum(others, first) / len(features)


def image_loss(image: Tensor, target: Tensor, unchanged: Tensor | None = None, emphasis: float = 3.0) -> Tensor:
    """L1 between pictures (not in the paper), up to 1 + 2 * emphasis times heavier where the target has changed.

    `unchanged` is the picture before the change (the neutral face, or the expressive one for a neutraliser).
    """
    if unchanged is None:
        return F.l1_loss(image, target)
    change = (target - unchanged).abs().mean(dim=1, keepdim=True)
    change = F.avg_pool2d(change, 5, stride=1, padding=2, count_include_pad=False)
    weight = 1 + emphasis * (change / 0.1).clamp(max=2)
    return (weight * (image - target).abs()).mean()


def structure_loss(image: Tensor, target: Tensor) -> Tensor:
    """1 - SSIM (not in the paper) of pictures in [-1, 1], brought to [0, 1] as for the figure.

    Uniform windows of 7 pixels, as in scikit-image's default: several times faster with gradients than Gaussian ones.
    Pictures with a shorter side have windows of that side.
    """
    image, target = image * 0.5 + 0.5, target * 0.5 + 0.5
    c1, c2 = 0.01**2, 0.03**2
    stacked = torch.cat([image, target, image * image, target * target, image * target])
    mu_x, mu_y, xx, yy, xy = F.avg_pool2d(stacked, min(7, *image.shape[-2:]), 1).chunk(5)
    covariance, variances = xy - mu_x * mu_y, xx - mu_x**2 + yy - mu_y**2
    ssim = (2 * mu_x * mu_y + c1) * (2 * covariance + c2) / ((mu_x**2 + mu_y**2 + c1) * (variances + c2))
    return 1 - ssim.mean()


def gradient_loss(image: Tensor, target: Tensor) -> Tensor:
    """L1 between the differences of neighbouring pixels (not in the paper), across and down added: soft edges cost."""
    return sum((F.l1_loss(image.diff(dim=axis), target.diff(dim=axis)) for axis in (-2, -1)), image.new_zeros(()))


def expression_similarity_loss(features: Tensor, target: Tensor) -> Tensor:
    """Squared distance of Psi's features of edit and reference over their variance (not in the paper)."""
    return ((features - target) ** 2).mean() / (target.detach().var(dim=0, unbiased=False).mean() + 1e-6)


def label_loss(logits: Tensor, expression: Tensor) -> Tensor:
    """Psi's own loss: cross-entropy with labels (B,) that are smoothed, since people disagree about expressions."""
    return F.cross_entropy(logits, expression, label_smoothing=LABEL_SMOOTHING)


def domain_classification_loss(logits: Tensor, expression: Tensor) -> Tensor:
    """StarGAN's domain classification loss: cross-entropy of the critic's second head."""
    return F.cross_entropy(logits, expression)


def cycle_loss(image_back: Tensor, image: Tensor) -> Tensor:
    """Reconstruction loss of StarGAN and GANimation: L1 of a face that was changed and changed back."""
    return F.l1_loss(image_back, image)


def attention_loss(attention: Tensor) -> Tensor:
    """GANimation's penalty on A, which says how much of a picture stays: a generator that changes nothing has A = 1.

    The mean of squares over pixels. Differs from the paper, whose norm is not a mean: so it does not depend on sizes.
    """
    return attention.square().mean()


def smoothness_loss(attention: Tensor) -> Tensor:
    """Total variation of GANimation's A: squared differences of neighbours, means over pixels, both directions."""
    right, down = attention.diff(dim=-1), attention.diff(dim=-2)
    return right.square().mean() + down.square().mean()


def action_unit_loss(prediction: Tensor, action_units: Tensor) -> Tensor:
    """Squared error of the action units that GANimation's critic reads off a face, mean over units and faces."""
    return F.mse_loss(prediction, action_units)
