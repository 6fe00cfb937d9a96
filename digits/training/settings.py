"""The settings that every training shares, and the optimiser that follows from them."""

from dataclasses import dataclass
from typing import ClassVar

import keras

from digits.errors import ConfigurationError
from digits.networks.muon import ConvolutionMuon


@dataclass(frozen=True)
class FitConfig:
    """Settings of a training; a subclass may change them and add its own. They are written into the artifact."""

    POSITIVE: ClassVar[tuple[str, ...]] = ("epochs", "batch_size", "learning_rate")
    FRACTIONS: ClassVar[tuple[str, ...]] = ("warmup_fraction",)

    seed: int = 42
    epochs: int = 30
    batch_size: int = 100
    learning_rate: float = 6e-3
    """The highest learning rate of convolution kernels: it rises linearly to this, then falls to zero as a cosine."""
    adamw_ratio: float = 0.5
    """The learning rate of all other weights, as a share of that of the kernels."""
    warmup_fraction: float = 0.15
    """The share of all steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """Decoupled, for every weight."""

    def __post_init__(self) -> None:
        for name in self.POSITIVE:
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"Received {name} {getattr(self, name)}, expected a number above 0.")
        for name in self.FRACTIONS:
            if not 0 <= getattr(self, name) < 1:
                raise ConfigurationError(f"Received {name} {getattr(self, name)}, expected 0 or more, below 1.")
        # NumPy, TensorFlow and Keras take no other seeds.
        if not 0 <= self.seed < 2**32:
            raise ConfigurationError(f"Received seed {self.seed}, expected an integer from 0 to {2**32 - 1}.")


def make_optimizer(config: FitConfig, num_steps: int) -> ConvolutionMuon:
    """Return the optimiser with its schedule over all `num_steps` of the training."""
    warmup_steps = int(num_steps * config.warmup_fraction)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(num_steps - warmup_steps, 1),
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )
    return ConvolutionMuon(
        schedule,
        weight_decay=config.weight_decay,
        adam_weight_decay=config.weight_decay,
        adam_lr_ratio=config.adamw_ratio,
    )
