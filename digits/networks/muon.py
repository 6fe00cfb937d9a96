"""Muon for convolutions: it makes each kernel's step orthogonal, so that all its directions learn equally fast.

Muon: K. Jordan et al., https://kellerjordan.github.io/posts/muon. The step is scaled to AdamW's as in Liu et al.,
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
        # One row for each input of the convolution's sum, one column for each output channel.
        matrix = ops.reshape(step, (-1, variable.shape[-1]))
        orthogonal = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        self.assign_sub(variable, ops.reshape(self.lr_adjust(lr * orthogonal), variable.shape))
