"""MLServer, no parallel workers; its protocol takes a tensor, so its request holds the pixels as one."""

import numpy as np
from _model import MODEL
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from digits.inference.classifier import load_classifier


class Digits(MLModel):
    """One tensor in, one tensor out."""

    async def load(self) -> bool:
        """Load the model."""
        self.classifier = load_classifier(MODEL)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Read the digit."""
        pixels = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        probabilities = self.classifier.predict(pixels.reshape(-1, 28, 28, 1) / np.float32(255))
        outputs = [NumpyCodec.encode_output("probabilities", probabilities)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
