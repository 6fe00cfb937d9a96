"""What an operator may do in the AWS account: no more than the guide's commands need."""

import json
import re

import pytest

from tests.deploy.manifests import ROOT, read_objects

POLICY = json.loads((ROOT / "kube-config" / "operator-policy.json").read_text())
STATEMENTS = {one["Sid"]: one for one in POLICY["Statement"]}
# An identity policy may have 6,144 characters without blanks.
MOST_CHARACTERS = 6144
# What only reads or lists, or has no resource to be named.
READS = re.compile(r"[\w-]+:(Describe|List|Get)\w*\*?")


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_policy_fits_into_what_aws_takes() -> None:
    assert POLICY["Version"] == "2012-10-17"
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= MOST_CHARACTERS
    assert len(STATEMENTS) == len(POLICY["Statement"])


@pytest.mark.parametrize("statement", POLICY["Statement"], ids=lambda one: one["Sid"])
def test_statement_names_actions_and_what_they_are_for(statement: dict) -> None:
    actions = as_list(statement["Action"])
    assert statement["Effect"] == "Allow"
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z*]+", action) for action in actions)
    assert "*" not in actions
    if "*" in as_list(statement["Resource"]):
        # What changes something everywhere is at least kept to the region.
        assert all(READS.fullmatch(action) for action in actions) or "Condition" in statement


def test_roles_can_be_made_only_for_the_cluster() -> None:
    for statement in POLICY["Statement"]:
        writes = [one for one in as_list(statement["Action"]) if one.startswith("iam:") and not READS.fullmatch(one)]
        if writes:
            assert "*" not in as_list(statement["Resource"])
    assert "iam:PassedToService" in STATEMENTS["HandRolesToEks"]["Condition"]["StringEquals"]


def test_policy_names_the_guides_cluster_and_repository() -> None:
    name = read_objects("kube-config/cluster.yaml")[0]["metadata"]["name"]
    text = json.dumps(POLICY)
    assert f":cluster/{name}" in text
    assert f"stack/eksctl-{name}-*" in text
    guide = (ROOT / "docs" / "deployment.md").read_text()
    assert ":repository/mlzoomcamp-images" in text
    assert "--repository-name mlzoomcamp-images" in guide
    assert "kube-config/operator-policy.json" in guide


def test_policy_allows_the_guides_aws_commands() -> None:
    """`aws ecr create-repository` needs ecr:CreateRepository, and so on."""
    guide = "".join((ROOT / "docs" / name).read_text() for name in ("deployment.md", "runbook.md"))
    services = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
    allowed = [action for one in POLICY["Statement"] for action in as_list(one["Action"])]
    patterns = [re.compile(action.replace("*", ".*"), re.IGNORECASE) for action in allowed]
    # An administrator's, who gives the operator the policy.
    exempt = {("iam", "create-policy"), ("iam", "attach-user-policy")}
    # The console's and the command line's names of one thing differ.
    renamed = {"ecr:GetLoginPassword": "ecr:GetAuthorizationToken", "logs:Tail": "logs:FilterLogEvents"}
    for service, command in set(re.findall(r"\baws ([a-z0-9-]+) ([a-z0-9-]+)", guide)) - exempt:
        action = services.get(service, service) + ":" + "".join(part.title() for part in command.split("-"))
        action = renamed.get(action, action)
        assert any(pattern.fullmatch(action) for pattern in patterns), action
