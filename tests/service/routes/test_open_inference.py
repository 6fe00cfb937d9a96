import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from jsonschema import Draft202012Validator
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from digits.data.images import PIXEL_NAMES, draw_one
from tests.service.server import JSON, Answer, Server

PATH = "/v2/models/digits/infer"
BLANK = [0] * 784
TYPES = {
    "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as connected:
        yield connected


@pytest.fixture
def image(row: dict[str, Any]) -> NDArray[np.uint8]:
    return np.array([row[name] for name in PIXEL_NAMES], np.uint8)


def infer(
    client: triton.InferenceServerClient, pixels: NDArray[Any], datatype: str, is_binary: bool, **options: Any
) -> triton.InferResult:
    tensor = triton.InferInput("pixels", list(pixels.shape), datatype)
    tensor.set_data_from_numpy(pixels, binary_data=is_binary)
    return client.infer("digits", [tensor], **options)


def make_tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "pixels", "shape": [1, 784], "datatype": "UINT8", "data": BLANK, **changes}


def post_tensor(server: Server, **changes: Any) -> Answer:
    return server.post({"inputs": [make_tensor(**changes)]}, PATH)


def test_triton_client_sees_server_and_model(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("digits")
    assert not client.is_model_ready("letters")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]


def test_triton_client_reads_the_tensors(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("digits")
    assert metadata["inputs"] == [{"name": "pixels", "datatype": "UINT8", "shape": [-1, 784]}]
    assert metadata["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "digit", "datatype": "INT64", "shape": [-1]},
    ]


@pytest.mark.parametrize("is_binary", [True, False], ids=["bytes", "JSON"])
@pytest.mark.parametrize("datatype", TYPES)
def test_triton_client_reads_digits_in_every_type(
    client: triton.InferenceServerClient, server: Server, row: dict[str, Any], image: NDArray[np.uint8],
    datatype: str, is_binary: bool,
) -> None:  # fmt: skip
    if datatype == "FP16" and not is_binary:
        pytest.skip("the client cannot write FP16 as JSON")
    result = infer(client, image[np.newaxis].astype(TYPES[datatype]), datatype, is_binary)
    expected = server.post(row).json
    assert result.as_numpy("digit").tolist() == [expected["digit"]]
    assert result.as_numpy("probabilities")[0].tolist() == pytest.approx(expected["probabilities"], abs=1e-6)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("is_binary", [True, False], ids=["bytes", "JSON"])
def test_triton_client_may_compress_what_it_sends(
    client: triton.InferenceServerClient, image: NDArray[np.uint8], is_binary: bool, algorithm: str
) -> None:
    result = infer(client, image[np.newaxis], "UINT8", is_binary, request_compression_algorithm=algorithm)
    assert result.as_numpy("digit").tolist() == [1]


@pytest.mark.parametrize("are_binary", [True, False], ids=["bytes", "JSON"])
def test_triton_client_gets_the_outputs_that_it_asked_for(
    client: triton.InferenceServerClient, image: NDArray[np.uint8], are_binary: bool
) -> None:
    outputs = [triton.InferRequestedOutput("digit", binary_data=are_binary)]
    result = infer(client, image[np.newaxis], "UINT8", True, outputs=outputs, request_id="42")
    response = result.get_response()
    assert (response["model_name"], response["id"]) == ("digits", "42")
    assert [output["name"] for output in response["outputs"]] == ["digit"]
    assert ("data" in response["outputs"][0]) is not are_binary
    assert result.as_numpy("digit").tolist() == [1]


def test_triton_client_gets_bytes_where_it_asks_for_no_output_by_name(
    client: triton.InferenceServerClient, image: NDArray[np.uint8]
) -> None:
    outputs = infer(client, image[np.newaxis], "UINT8", True).get_response()["outputs"]
    assert [output["parameters"] for output in outputs] == [{"binary_data_size": 40}, {"binary_data_size": 8}]


def test_triton_client_gets_one_output_as_bytes_and_one_as_json(
    client: triton.InferenceServerClient, image: NDArray[np.uint8]
) -> None:
    outputs = [
        triton.InferRequestedOutput("digit", binary_data=False),
        triton.InferRequestedOutput("probabilities", binary_data=True),
    ]
    result = infer(client, image.reshape(1, 28, 28), "UINT8", True, outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["digit", "probabilities"]
    assert int(result.as_numpy("probabilities").argmax()) == int(result.as_numpy("digit")[0]) == 1


@pytest.mark.parametrize("shape", [(500, 784), (500, 28, 28)])
def test_triton_client_gets_a_batch_in_order(client: triton.InferenceServerClient, shape: tuple[int, ...]) -> None:
    images = np.zeros((500, 784), np.uint8)
    images[::3] = draw_one().ravel()
    probability = infer(client, images.reshape(shape), "UINT8", True).as_numpy("probabilities")[:, 1]
    is_blank = np.arange(500) % 3 > 0
    assert probability[is_blank].max() < probability[~is_blank].min()


@pytest.mark.parametrize(
    ("pixels", "datatype", "message"),
    [
        (np.full((2, 784), 256, np.int16), "INT16", "Received 256 for images[0].pixel0, expected a number 0-255."),
        (np.full((1, 784), -1, np.int64), "INT64", "Received -1 for images[0].pixel0, expected"),
        (np.full((1, 784), np.nan, np.float32), "FP32", "Received nan for images[0].pixel0, expected"),
        (np.zeros((1, 783), np.uint8), "UINT8", "Received shape [1, 783] for pixels, expected [n, 784] or [n, 28, 28]"),
        (np.zeros((1, 784, 1), np.uint8), "UINT8", "Received shape [1, 784, 1] for pixels"),
        (np.zeros((1001, 784), np.uint8), "UINT8", "Received 1,001 images, expected 1 to 1,000."),
        (np.zeros((1, 784), np.bool_), "BOOL", "Received datatype BOOL for pixels, expected UINT8, UINT16"),
    ],
)
def test_triton_client_is_told_what_is_wrong(
    client: triton.InferenceServerClient, pixels: NDArray[Any], datatype: str, message: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, pixels, datatype, True)
    assert str(caught.value.message()).startswith(message)


def test_triton_client_is_told_that_a_model_is_unknown(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="Received a request for /v2/models/letters, expected a path"):
        client.get_model_metadata("letters")


def test_triton_client_is_told_that_classification_is_not_offered(
    client: triton.InferenceServerClient, image: NDArray[np.uint8]
) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", class_count=3)]
    with pytest.raises(InferenceServerException, match=r"\['binary_data', 'classification'\] for output prob"):
        infer(client, image[np.newaxis], "UINT8", True, outputs=outputs)


@pytest.mark.parametrize(
    ("shape", "data"),
    [([2, 784], BLANK * 2), ([2, 784], [BLANK] * 2), ([2, 28, 28], BLANK * 2), ([2, 28, 28], [[[0] * 28] * 28] * 2)],
    ids=["flat", "nested", "flat squares", "nested squares"],
)
def test_infer_takes_data_flat_or_nested(server: Server, shape: list[int], data: list[Any]) -> None:
    answer = post_tensor(server, shape=shape, data=data)
    assert answer.status == 200
    assert [output["shape"] for output in answer.json["outputs"]] == [[2, 10], [2]]
    assert "id" not in answer.json


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "Received JSON that is no object, expected an object"),
        ({}, 400, "Received no inputs in the request, expected an array."),
        ({"inputs": []}, 400, "Received inputs [], expected one, named pixels."),
        ({"inputs": [make_tensor(name="image")]}, 400, "Received inputs ['image'], expected one, named pixels."),
        ({"inputs": [make_tensor()] * 2}, 400, "Received inputs ['pixels', 'pixels'], expected one"),
        ({"inputs": [make_tensor()], "id": 42}, 400, "Received another id in the request, expected a string."),
        ({"inputs": [make_tensor()], "outputs": [{"name": "x"}]}, 400, "Received output x, expected probabilities or"),
        ({"inputs": [make_tensor()], "parameters": 1}, 400, "Received another parameters in the request, expected an"),
        ({"inputs": [make_tensor(shape=[-1, 784])]}, 400, "Received shape [-1, 784] for pixels"),
        ({"inputs": [make_tensor(shape=[True, 784])]}, 400, "Received shape [True, 784] for pixels"),
        ({"inputs": [make_tensor(shape=[2, 784])]}, 400, "Received data of length 784 for pixels, expected 1,568"),
        ({"inputs": [make_tensor(data=None)]}, 400, "Received no data in pixels, expected an array."),
        ({"inputs": [make_tensor(data=[1.5, *BLANK[1:]])]}, 400, "Received fractions for pixels, expected integers"),
        ({"inputs": [make_tensor(data=["0", *BLANK[1:]])]}, 422, "Received a string for images[0].pixel0, expected"),
        ({"inputs": [make_tensor(data=[256, *BLANK[1:]])]}, 422, "Received 256 for images[0].pixel0, expected"),
        ({"inputs": [make_tensor(shape=[0, 784], data=[])]}, 422, "Received 0 images, expected 1 to 1,000."),
        ({"inputs": [make_tensor(parameters={"binary_data_size": 784})]}, 400, "Received binary_data_size 784 and 0"),
    ],
)
def test_infer_of_a_bad_request_answers_the_protocols_error(
    server: Server, body: object, status: int, message: str
) -> None:
    answer = server.post(body, PATH)
    assert answer.status == status
    assert list(answer.json) == ["error"]
    assert answer.json["error"].startswith(message)


@pytest.mark.parametrize("length", ["-1", "x", "1.0", "9999999", "", "9" * 40, "²"])
def test_infer_of_a_bad_header_length_says_so(server: Server, length: str) -> None:
    headers = {**JSON, "Inference-Header-Content-Length": length.encode("latin-1")}
    answer = server.request("POST", PATH, b"{}", headers)
    assert answer.status == 400
    assert answer.json["error"].startswith("Received Inference-Header-Content-Length")


def test_infer_of_bytes_that_nobody_announced_says_so(server: Server) -> None:
    header = json.dumps({"inputs": [make_tensor()]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(header))}
    answer = server.request("POST", PATH, header + b"12345", headers)
    assert (answer.status, answer.json["error"][:32]) == (400, "Received 5 bytes behind the JSON")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/", 404), ("GET", "/v2/models/letters/ready", 404), ("GET", PATH, 405), ("POST", "/v2", 405)],
)
def test_every_error_of_the_protocol_is_a_text(server: Server, method: str, path: str, status: int) -> None:
    answer = server.request(method, path)
    assert answer.status == status
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/health/ready"), ("GET", "/v2/models/digits/ready"), ("POST", PATH)]
)
def ask(method: str, path: str, body: object = None) -> Callable[[Server], Answer]:
    return lambda server: server.request(method, path, None if body is None else json.dumps(body), JSON)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ("ServerMetadata", ask("GET", "/v2")),
        ("ServerLiveness", ask("GET", "/v2/health/live")),
        ("ServerReadiness", ask("GET", "/v2/health/ready")),
        ("ModelMetadata", ask("GET", "/v2/models/digits")),
        ("ModelReadiness", ask("GET", "/v2/models/digits/ready")),
        ("InferenceAnswer", ask("POST", PATH, {"id": "1", "inputs": [make_tensor()]})),
        ("ProtocolErrorAnswer", ask("POST", PATH, {})),
    ],
)
def test_openapi_schemas_match_the_answers(server: Server, schema: str, answer: Callable[[Server], Answer]) -> None:
    components = server.request("GET", "/openapi.json").json["components"]
    Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(
        answer(server).json
    )


def test_openapi_inference_example_works_when_tried(server: Server) -> None:
    operation = server.request("GET", "/openapi.json").json["paths"][PATH]["post"]
    body = operation["requestBody"]["content"]["application/json"]["example"]
    outputs = {output["name"]: output["data"] for output in server.post(body, PATH).json["outputs"]}
    assert outputs["digit"] == [1]
