"""Muon for convolutions: each kernel's step is made orthogonal, so that no direction of it learns slower than another.

Muon: K. Jordan et al., https://kellerjordan.github.io/posts/muon; scaled to AdamW's step as in Liu et al.,
arXiv 2502.16982. Keras's own Muon leaves kernels of four dimensions to AdamW.
"""

import keras
from keras import ops


class ConvolutionMuon(keras.optimizers.Muon):
    """Keras's Muon, for convolution kernels; every other weight takes its AdamW step."""

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def _muon_update_step(
        self, gradient: keras.KerasTensor, variable: keras.Variable, lr: keras.KerasTensor, m: keras.Variable
    ) -> None:
        self.assign_add(m, gradient + m * (self.momentum - 1))
        step = gradient + self.momentum * m
        # One row an input of the convolution's sum, one column an output channel.
        matrix = ops.reshape(step, (-1, variable.shape[-1]))
        orthogonal = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        self.assign_sub(variable, ops.reshape(self.lr_adjust(lr * orthogonal), variable.shape))


def make_optimizer(
    learning_rate: float, adamw_ratio: float, warmup_fraction: float, weight_decay: float, num_steps: int
) -> ConvolutionMuon:
    """Return the optimiser with its schedule: a linear warm-up, then a cosine to zero.

    Args:
        learning_rate: The peak, for convolution kernels.
        adamw_ratio: The other weights' learning rate, as a share of that.
        warmup_fraction: Share of the steps in which it is reached.
        weight_decay: Decoupled, for every weight.
        num_steps: Of the whole training.
    """
    warmup_steps = int(num_steps * warmup_fraction)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(num_steps - warmup_steps, 1),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
    return ConvolutionMuon(
        schedule, weight_decay=weight_decay, adam_weight_decay=weight_decay, adam_lr_ratio=adamw_ratio
    )
