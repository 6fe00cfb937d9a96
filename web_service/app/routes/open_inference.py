"""The Open Inference Protocol (V2), so that clients of KServe, Triton and MLServer talk to this service unchanged.

Errors have the protocol's shape, `{"error": "<text>"}`, because its clients read nothing else.
"""

from fastapi import APIRouter, Request, Response

from app.errors.refusals import FEWER_IMAGES
from app.openapi import open_inference as answers
from app.prediction.run import read_images
from app.prediction.state import check_ready, get_state
from app.requests.body import read_body
from app.requests.tensors import INPUT_NAME, OUTPUTS, Inference
from app.routes.answers import answer_json
from digits.data.images import NUM_PIXELS

MODEL_NAME = "digits"

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])


@router.get("", summary="What server is this?", responses={200: {"model": answers.ServerMetadata}})
async def describe_server(request: Request) -> Response:
    """Tell the server's name, version and extensions of the protocol."""
    return answer_json({"name": MODEL_NAME, "version": request.app.version, "extensions": ["binary_tensor_data"]})


@router.get("/health/live", summary="Is the server alive?", responses={200: {"model": answers.ServerLiveness}})
async def report_server_liveness() -> Response:
    """As /healthz, in the protocol's words."""
    return answer_json({"live": True})


@router.get("/health/ready", summary="Can the server infer?", responses={200: {"model": answers.ServerReadiness}})
async def report_server_readiness(request: Request) -> Response:
    """As /readyz, in the protocol's words."""
    check_ready(request)
    return answer_json({"live": True, "ready": True})


@router.get(
    f"/models/{MODEL_NAME}",
    summary="Which tensors does the model take and give?",
    responses={200: {"model": answers.ModelMetadata}},
)
async def describe_tensors() -> Response:
    """Tell the tensors. UINT8 is the smallest type; every other type of number is taken too."""
    outputs = [{"name": name, "datatype": kind, "shape": [-1, *rest]} for name, (kind, rest, _) in OUTPUTS.items()]
    return answer_json(
        {
            "name": MODEL_NAME,
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": INPUT_NAME, "datatype": "UINT8", "shape": [-1, NUM_PIXELS]}],
            "outputs": outputs,
        }
    )


@router.get(
    f"/models/{MODEL_NAME}/ready", summary="Can the model infer?", responses={200: {"model": answers.ModelReadiness}}
)
async def report_model_readiness(request: Request) -> Response:
    """As /readyz, in the protocol's words."""
    check_ready(request)
    return answer_json({"name": MODEL_NAME, "ready": True})


@router.post(
    f"/models/{MODEL_NAME}/infer",
    summary="Read digits, as tensors",
    responses={200: {"model": answers.InferenceAnswer}},
)
async def infer(request: Request) -> Response:
    """Send pixels 0-255 as the tensor `pixels`, get the tensors `probabilities` and `digit`."""
    settings = get_state(request.app).settings
    body = await read_body(request, settings.max_batch_body_bytes, FEWER_IMAGES)
    inference = Inference(body, request.headers.get("inference-header-content-length"), settings.max_batch_images)
    reading = await read_images(request, len(body), inference.parse)
    content, header_length = inference.pack(MODEL_NAME, reading.probabilities)
    if header_length is None:
        return Response(content, media_type="application/json")
    headers = {"Inference-Header-Content-Length": str(header_length)}
    return Response(content, headers=headers, media_type="application/octet-stream")
