"""The servers that `benchmarks.serving.compare` measures: how each is installed, started and called."""

from dataclasses import dataclass, field, replace

from digits.inference.precision import VARIABLE

CONNECTIONS = (1, 16, 64)
RUNTIME = ("h5py==3.14.0", "onnxruntime==1.32.0", "orjson==3.13.0")
UVICORN = ("-m", "uvicorn", "--port", "{port}", "--log-level", "warning", "--no-access-log")
JSON, BYTES = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Contender:
    """How one server is installed, started and called."""

    name: str
    command: tuple[str, ...]
    venv: str | None = None
    packages: tuple[str, ...] = ()
    path: str = "/predict"
    body: str = "row.json"
    content_type: str = JSON
    environment: dict[str, str] = field(default_factory=dict)
    connections: tuple[int, ...] = CONNECTIONS
    cores: str = "0"


SERVICE = (*UVICORN, "app.predict:app", "--app-dir", "web_service")
KERAS = (
    "tensorflow==2.21.0",
    "keras==3.15.1",
    "fastapi==0.165.0",
    "uvicorn==0.54.0",
    "httptools==0.9.0",
    "uvloop==0.23.0",
)
MLSERVER = ("-c", "from mlserver.cli import main; main()", "start", "{folder}")
PRECISIONS = ("int8", "fp32")
FLOOR = Contender("the floor: reads the body, answers a constant", (*UVICORN, "floor:app"))
OURS = {one: Contender(f"**this service**, {one}", SERVICE, environment={VARIABLE: one}) for one in PRECISIONS}
RAW = {
    one: replace(
        contender,
        name=f"this service, the image as 784 bytes, {one}",
        path="/predict/batch",
        body="row.bin",
        content_type=BYTES,
    )
    for one, contender in OURS.items()
}
TWO_WORKERS = Contender(
    "this service, two workers on two cores, int8",
    SERVICE,
    environment={"WEB_CONCURRENCY": "2", VARIABLE: "int8"},
    cores="0,1",
)
PICTURES = {
    (path, one): replace(
        contender, name=f"{path}, {one}", path=path, body=body, content_type=content_type, connections=(1,)
    )
    for path, body, content_type in (("/predict/image", "digit.png", "image/png"), ("/read", "page.webp", "image/webp"))
    for one, contender in OURS.items()
}
"""The paths that take pictures, by path and precision. They are read one after the other."""

PEERS = (
    Contender("LitServe 0.2.19", ("lit.py", "{port}"), "litserve", ("litserve==0.2.19", *RUNTIME)),
    Contender(
        "BentoML 1.4.39",
        ("-m", "bentoml", "serve", "bento:Digits", "--host", "127.0.0.1", "--port", "{port}"),
        "bentoml",
        ("bentoml==1.4.39", *RUNTIME),
    ),
    Contender(
        "MLServer 1.7.1 (V2 tensor)",
        MLSERVER,
        "mlserver",
        ("mlserver==1.7.1", *RUNTIME),
        path="/v2/models/digits/infer",
        body="tensor.json",
    ),
    Contender("Ray Serve 2.60.0", ("ray_app.py", "{port}"), "ray", ("ray[serve]==2.60.0", *RUNTIME)),
    Contender(
        "FastAPI and Keras, `model.predict`",
        (*UVICORN, "keras_app:app"),
        "keras",
        (*KERAS, "h5py==3.14.0"),
        connections=(1,),
    ),
    Contender(
        "the same, loading the .h5 in every request",
        (*UVICORN, "keras_app:app"),
        "keras",
        (*KERAS, "h5py==3.14.0"),
        environment={"TUTORIAL": "1"},
        connections=(1,),
    ),
)
CHOSEN = (FLOOR, *OURS.values(), *RAW.values(), TWO_WORKERS, *PEERS)
