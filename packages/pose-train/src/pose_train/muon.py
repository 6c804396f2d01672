"""Muon: steps of equal size in every direction for the convolutions inside a network, AdamW's for all else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration; they bring singular values near 1 quickly
_ITERATIONS = 5
_ADAM_SIZE = 0.2  # root mean square of a step of AdamW, before the learning rate


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal (Jordan et al., "Muon", 2024), beside AdamW.

    Groups with `orthogonal` hold weights of at least two dimensions, which are taken as matrices of outputs by
    everything else. Their steps are scaled to the size of AdamW's, so that one learning rate serves both (Liu et al.,
    "Muon is scalable for LLM training", arXiv:2502.16982, equation 4). All other groups learn by AdamW (Loshchilov and
    Hutter, ICLR 2019).

    Args:
        groups: with `params` and, where it is wanted, `orthogonal` and `weight_decay`.
        lr: learning rate, of AdamW's size.
        beta1: momentum of the orthogonal steps, and the first beta of the others.
        beta2: the second beta of AdamW.
        eps: of AdamW.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        beta1: float = 0.95,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": 0.0}
        super().__init__(groups, defaults | {"orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step once; return what the closure returns, if there is one."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            learnt: list[Tensor] = [parameter for parameter in group["params"] if parameter.grad is not None]
            gradients = [parameter.grad for parameter in learnt if parameter.grad is not None]
            if learnt:
                torch._foreach_mul_(learnt, 1 - group["lr"] * group["weight_decay"])
                (self._step_orthogonal if group["orthogonal"] else self._step_adam)(learnt, gradients, group)
        return result

    def _step_orthogonal(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            momentum = self._kept(parameter, "momentum")
            momentum.lerp_(gradient, 1 - group["beta1"])
            ahead = gradient.lerp(momentum, group["beta1"])  # Nesterov's
            matrix = orthogonalise(ahead.flatten(1))
            size = _ADAM_SIZE * math.sqrt(max(matrix.shape))
            parameter.add_(matrix.reshape(ahead.shape), alpha=-group["lr"] * size)

    def _step_adam(self, parameters: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        means = [self._kept(parameter, "mean") for parameter in parameters]
        squares = [self._kept(parameter, "square") for parameter in parameters]
        steps = [self._count(parameter) for parameter in parameters]
        torch._foreach_lerp_(means, gradients, 1 - group["beta1"])
        torch._foreach_mul_(squares, group["beta2"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["beta2"])
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [math.sqrt(1 - group["beta2"] ** step) for step in steps])
        torch._foreach_add_(roots, group["eps"])
        scales = [-group["lr"] / (1 - group["beta1"] ** step) for step in steps]
        torch._foreach_addcdiv_(parameters, means, roots, scales)

    def _kept(self, parameter: Tensor, name: str) -> Tensor:
        """What is remembered of a parameter, zeros at first."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        kept = state[name]
        assert isinstance(kept, Tensor)
        return kept

    def _count(self, parameter: Tensor) -> int:
        state = self.state[parameter]
        state["step"] = int(state.get("step", 0)) + 1
        return int(state["step"])


def orthogonalise(matrix: Tensor) -> Tensor:
    """Bring all singular values of a matrix near 1 (between about 0.7 and 1.2), its singular vectors as they are.

    Five steps of a quintic Newton-Schulz iteration, as in Muon. Each multiplies the matrix by a polynomial of its gram
    matrix, which is small; so the grams are iterated alone, and their product meets the matrix once.

    Args:
        matrix: (M, N).
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (torch.linalg.matrix_norm(x) + 1e-7)
    gram = x @ x.T
    factor = _polynomial(gram)
    product = factor
    for _ in range(_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _polynomial(gram)
        product = factor @ product
    result: Tensor = product @ x
    return result.T if tall else result


def _polynomial(gram: Tensor) -> Tensor:
    """Value of a I + b G + c G G, for a symmetric G."""
    a, b, c = _COEFFICIENTS
    result = torch.addmm(gram, gram, gram, beta=b, alpha=c)
    result.diagonal().add_(a)
    return result
