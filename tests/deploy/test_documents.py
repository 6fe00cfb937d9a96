"""The documents' commands, paths and table: true of the repository as it is."""

import math
import re
import subprocess
import sys

import pytest

from tests.deploy.manifests import ROOT, get_container, get_instruction, get_only, render

PROMISING = ("README.md", "docs/deployment.md")
GUIDE = (ROOT / "docs" / "deployment.md").read_text()
DOCUMENTS = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
MADE_BY_THE_READER = {"kube-overlays/site.env", "kube-overlays/site", "kube-overlays/site/kustomization.yaml"}
# What a person types from the root, whatever else changes.
PROMISED = (
    "docker build --platform linux/amd64 -t digit_recognizer:v1 -f web_service/Dockerfile .",
    "docker run -p 9696:9696 digit_recognizer:v1",
    "eksctl create cluster -f kube-config/cluster.yaml",
    "kubectl apply -f kube-config/gateway-deployment.yaml",
    "kubectl apply -f kube-config/gateway-service.yaml",
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_names_only_files_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    named = set(re.findall(r"(?<![\w/.:-])((?:kube-config|kube-overlays|web_service|tests|docs)(?:/[\w.-]+)+)", text))
    named = {path.rstrip(".") for path in named} - MADE_BY_THE_READER
    assert {path for path in named if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", PROMISING)
def test_document_gives_the_promised_commands(document: str) -> None:
    text = (ROOT / document).read_text()
    assert [command for command in PROMISED if command not in text] == []


def test_promised_port_is_the_images() -> None:
    assert f"-p {get_instruction('EXPOSE')}:{get_instruction('EXPOSE')} " in PROMISED[1]


def test_overlays_components_and_files_of_the_cluster_are_all_described() -> None:
    folders = [
        path.parent for path in (ROOT / "kube-overlays").glob("**/kustomization.yaml") if path.parent.name != "track"
    ]
    files = [*(ROOT / "kube-config").glob("*.yaml"), *(ROOT / "kube-config").glob("*.json")]
    described = GUIDE.partition("## What lies where")[2].partition("\n## On Amazon EKS")[0]
    # Those of the service stand together as kustomization.yaml.
    wanted = {path for path in [*folders, *files] if not re.match(r"(gateway-(?!dep|service\.)|namespace)", path.name)}
    assert {
        path.relative_to(ROOT).as_posix() for path in wanted if path.relative_to(ROOT).as_posix() not in described
    } == set()


def test_guide_says_what_it_costs_before_anything_is_made() -> None:
    assert GUIDE.index("an hour") < GUIDE.index("eksctl create cluster") < GUIDE.index("eksctl delete cluster")
    deploy = (ROOT / "README.md").read_text().partition("## Deploy")[2].partition("\n## ")[0]
    assert deploy.index("an hour") < deploy.index("aws ")


def test_costs_add_up() -> None:
    section = GUIDE.partition("## What it costs")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .* \| ([\d.]+) \| ([\d.]+) \|$", section, re.MULTILINE)
    assert len(rows) == 7
    (sums,) = re.findall(r"\*\*together\*\* \| \| \*\*([\d.]+)\*\* \| \*\*([\d.]+)\*\*", section)
    # Each hour's price is rounded to a tenth of a cent.
    assert sum(float(hour) for hour, _ in rows) == pytest.approx(float(sums[0]), abs=0.003)
    assert sum(float(month) for _, month in rows) == pytest.approx(float(sums[1]), abs=0.11)
    assert float(sums[0]) * 730 == pytest.approx(float(sums[1]), abs=1)


# What a newcomer to EKS has to be told once.
WORDS = (
    "EKS Auto Mode",
    "NAT gateway",
    "readiness gate",
    "registering",
    "canary",
    "target",
    "rollout",
    "zone",
    "component",
)


@pytest.mark.parametrize("word", WORDS)
def test_guide_explains_each_word_before_it_is_needed(word: str) -> None:
    table = GUIDE.partition("| word | means |")[2].partition("\n\n")[0]
    explained = GUIDE.index("| word | means |")
    assert word in table
    assert explained < GUIDE.index("## On Amazon EKS")


def test_guides_variables_are_the_sites_or_set_beside_their_use() -> None:
    site = (ROOT / "kube-overlays" / "site.env.example").read_text()
    known = set(re.findall(r"^(\w+)=", site, re.MULTILINE))
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
    known |= set(re.findall(r"^(\w+)=", blocks, re.MULTILINE))
    assert set(re.findall(r"\$(\w+)", blocks)) <= known


@pytest.mark.parametrize("document", ["README.md", "docs/deployment.md", "docs/runbook.md", "docs/capacity.md"])
def test_commands_are_what_bash_can_read(document: str) -> None:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / document).read_text(), re.DOTALL))
    filled = re.sub(r"<[^<>\n]+>", "of-the-reader", blocks)
    read = subprocess.run(["bash", "-n"], input=filled, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr


def test_readmes_commands_go_from_the_registry_to_an_answer() -> None:
    deploy = (ROOT / "README.md").read_text().partition("## Deploy")[2].partition("\n## ")[0]
    steps = (
        "aws ecr get-login-password",
        "docker tag digit_recognizer:v1 $IMAGE",
        "docker push $IMAGE",
        "eksctl create cluster -f kube-config/cluster.yaml",
        "kubectl apply -f kube-config/gateway-deployment.yaml",
        "kubectl set image deployment/gateway gateway=$IMAGE",
        "kubectl apply -f kube-config/gateway-service.yaml",
        "kubectl rollout status deployment/gateway",
        "kubectl wait --for=jsonpath='{.status.loadBalancer.ingress[0].hostname}' service/gateway",
        "--data @row_data.json http://$HOST/predict",
        "eksctl delete cluster -f kube-config/cluster.yaml",
    )
    places = [deploy.index(step) for step in steps]
    assert places == sorted(places)
    # zsh, the shell of a Mac, takes # for a part of a command.
    assert " # " not in deploy


@pytest.mark.parametrize("document", ["docs/deployment.md", "docs/capacity.md", "docs/runbook.md"])
def test_links_lead_to_headings_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for path, anchor in re.findall(r"\]\((?!https?:)([\w./-]*)#([\w-]+)\)", text):
        other = (ROOT / document).parent / path if path else ROOT / document
        headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{path}#{anchor}"


def test_rollouts_table_is_what_the_simulation_prints() -> None:
    script = ROOT / "tests" / "deploy" / "simulate_rollout.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert printed in GUIDE


def test_capacitys_table_is_what_the_simulation_prints() -> None:
    script = ROOT / "tests" / "deploy" / "simulate_autoscaler.py"
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert printed in (ROOT / "docs" / "capacity.md").read_text()


def test_capacitys_pods_and_nodes_follow_from_the_manifests() -> None:
    text = (ROOT / "docs" / "capacity.md").read_text()
    resources = get_container(get_only(render("kube-overlays/production"), "Deployment"))["resources"]
    cores = int(resources["requests"]["cpu"].removesuffix("m")) / 1000
    memory_mib = int(resources["requests"]["memory"].removesuffix("Mi"))
    # What a c6a.large has left for pods, as the page assumes.
    per_node = min(int(1.93 / cores), int(3.3 * 1024 / memory_mib))
    assert f"c6a.large, {per_node} pods each" in text
    target = get_only(render("kube-overlays/production"), "HorizontalPodAutoscaler")["spec"]["metrics"][0]["resource"]
    per_pod = 1000 * cores * target["target"]["averageUtilization"] / 100
    loads = {"1 k": 1_000, "100 k": 100_000, "10 M": 10_000_000}
    rows = re.findall(r"^\| (1 k|100 k|10 M) \| ([\d,]+) \| ([\d,]+)[^|]*\| ([\d,]+) \|", text, re.MULTILINE)
    assert [name for name, *_ in rows] == list(loads)
    for name, *columns in rows:
        pods, nodes, dollars = (int(one.replace(",", "")) for one in columns)
        assert pods == math.ceil(loads[name] / per_pod)
        # At least one in each of three zones.
        assert nodes == max(3, math.ceil(pods / per_node))
        assert dollars == pytest.approx(nodes * 0.0765 * 1.12 * 730, abs=1)
