"""How the published figures are measured; each command runs from the repository's root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
