"""FastAPI and Keras: loaded once, a typed dictionary, `model.predict`; in every request if TUTORIAL is set."""

import os
from typing import Any

import numpy as np
from fastapi import FastAPI
from keras.saving import load_model

from digits.data.images import PIXEL_NAMES

PATH = "models/digits.h5"
app = FastAPI()
loaded = None if os.environ.get("TUTORIAL") else load_model(PATH)


@app.post("/predict")
def predict(row: dict[str, float]) -> dict[str, Any]:
    """Read one digit."""
    pixels = np.array([row[name] for name in PIXEL_NAMES], np.float32).reshape(1, 28, 28, 1) / np.float32(255)
    probabilities = (loaded or load_model(PATH)).predict(pixels, verbose=0)[0]
    return {"digit": int(probabilities.argmax()), "probabilities": probabilities.tolist()}
