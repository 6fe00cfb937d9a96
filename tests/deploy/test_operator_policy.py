"""What an operator may do in the AWS account: no more than the guide's commands need."""

import json
import re
from fnmatch import fnmatchcase

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


GUIDES = "".join((ROOT / name).read_text() for name in ("README.md", "docs/deployment.md", "docs/runbook.md"))
ACCOUNT = "<account>"
CLUSTER = f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/digits"
ADDON = f"arn:aws:eks:us-east-1:{ACCOUNT}:addon/digits/amazon-cloudwatch-observability/1"
ASSOCIATION = f"arn:aws:eks:us-east-1:{ACCOUNT}:podidentityassociation/digits/a-1"
STACK = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/eksctl-digits-cluster/1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/eksctl-digits-cluster-ServiceRole-1"
EKS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/1"
LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/eks/digits/cluster"

# What every eksctl command asks first.
LOOKS_UP = "sts:GetCallerIdentity", "cloudformation:ListStacks", "cloudformation:DescribeStacks"
MAKES_A_STACK = "CreateStack", "DescribeStackEvents", "GetTemplate", "ListStackResources", "TagResource"
MAKES_A_ROLE = "CreateRole", "GetRole", "AttachRolePolicy", "PutRolePolicy", "GetRolePolicy", "TagRole", "PassRole"
DELETES_A_ROLE = "DetachRolePolicy", "DeleteRolePolicy", "DeleteRole", "ListAttachedRolePolicies", "ListRolePolicies"


def name_all(service: str, verbs: tuple[str, ...] | str, resource: str) -> set[tuple[str, str]]:
    return {(f"{service}:{verb}", resource) for verb in (verbs.split() if isinstance(verbs, str) else verbs)}


# What each eksctl command calls, itself or by CloudFormation: from eksctl's source and its page of the least policies.
CALLS_OF_EKSCTL = {
    "create cluster": name_all("cloudformation", MAKES_A_STACK, STACK)
    | name_all("iam", MAKES_A_ROLE, ROLE)
    | name_all("iam", "CreateServiceLinkedRole GetRole", EKS_ROLE)
    | name_all("eks", "DescribeClusterVersions DescribeAddonVersions", "*")
    | name_all(
        "eks", "CreateCluster DescribeCluster TagResource CreateAddon UpdateClusterConfig DescribeUpdate", CLUSTER
    )
    | name_all("ec2", "DescribeAvailabilityZones CreateVpc ModifyVpcAttribute CreateTags CreateSubnet", "*")
    | name_all("ec2", "ModifySubnetAttribute CreateInternetGateway AttachInternetGateway AllocateAddress", "*")
    | name_all("ec2", "CreateNatGateway CreateRouteTable CreateRoute AssociateRouteTable CreateSecurityGroup", "*")
    | name_all("ec2", "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress", "*")
    | name_all("logs", "PutRetentionPolicy", LOGS),
    "delete cluster": name_all("cloudformation", "DeleteStack DescribeStackEvents", STACK)
    | name_all("iam", DELETES_A_ROLE, ROLE)
    | name_all("iam", "GetOpenIDConnectProvider", PROVIDER)
    | name_all(
        "eks", "DescribeCluster DeleteCluster ListFargateProfiles ListAddons ListPodIdentityAssociations", CLUSTER
    )
    | name_all("ec2", "DescribeNetworkInterfaces DeleteNetworkInterface DescribeKeyPairs DeleteSecurityGroup", "*")
    | name_all("ec2", "RevokeSecurityGroupIngress DeleteNatGateway ReleaseAddress DisassociateAddress DeleteRoute", "*")
    | name_all("ec2", "DisassociateRouteTable DeleteRouteTable DetachInternetGateway DeleteInternetGateway", "*")
    | name_all("ec2", "DeleteSubnet DeleteVpc", "*")
    | name_all("elasticloadbalancing", "DescribeLoadBalancers DescribeTags", "*"),
    "upgrade cluster": name_all("eks", "UpdateClusterVersion DescribeUpdate DescribeCluster", CLUSTER)
    | name_all("eks", "DescribeClusterVersions", "*")
    | name_all("cloudformation", "CreateChangeSet DescribeChangeSet ExecuteChangeSet DeleteChangeSet", STACK)
    | name_all("cloudformation", "GetTemplate UpdateStack", STACK),
    "utils update-cluster-vpc-config": name_all("eks", "DescribeCluster UpdateClusterConfig DescribeUpdate", CLUSTER),
    "utils describe-cluster-versions": name_all("eks", "DescribeClusterVersions", "*"),
    "create addon": name_all("eks", "DescribeAddonVersions DescribeAddonConfiguration", "*")
    | name_all("eks", "CreateAddon DescribeCluster CreatePodIdentityAssociation", CLUSTER)
    | name_all("eks", "DescribeAddon TagResource", ADDON)
    | name_all("eks", "DescribePodIdentityAssociation", ASSOCIATION)
    | name_all("iam", "GetOpenIDConnectProvider", PROVIDER)
    | name_all("cloudformation", MAKES_A_STACK, STACK.replace("cluster", "addon-amazon-cloudwatch-observability"))
    | name_all("iam", MAKES_A_ROLE, ROLE.replace("cluster-ServiceRole", "addon-amazon-cloudwatch-o-Role1")),
    "get addon": name_all("eks", "ListAddons DescribeCluster", CLUSTER)
    | name_all("eks", "DescribeAddonVersions", "*")
    | name_all("eks", "DescribeAddon", ADDON),
    "update addon": name_all("eks", "UpdateAddon DescribeAddon", ADDON) | name_all("eks", "DescribeAddonVersions", "*"),
    "delete addon": name_all("eks", "DeleteAddon DescribeAddon", ADDON)
    | name_all("eks", "DeletePodIdentityAssociation", ASSOCIATION)
    | name_all("cloudformation", "DeleteStack", STACK),
}


def is_allowed(action: str, resource: str) -> bool:
    """Return whether a statement lets the action be done on the resource; an action without one has the resource *."""
    return any(
        any(fnmatchcase(action.lower(), one.lower()) for one in as_list(statement["Action"]))
        and any(fnmatchcase(resource, one) for one in as_list(statement["Resource"]))
        for statement in POLICY["Statement"]
    )


def test_calls_are_known_of_every_eksctl_command_of_the_guides() -> None:
    commands = set(re.findall(r"\beksctl\s+(utils [a-z-]+|(?:create|delete|get|update|upgrade) [a-z]+)", GUIDES))
    assert commands - {"utils schema"} == CALLS_OF_EKSCTL.keys()


@pytest.mark.parametrize("command", CALLS_OF_EKSCTL)
def test_policy_allows_the_guides_eksctl_commands(command: str) -> None:
    calls = CALLS_OF_EKSCTL[command] | {(action, "*") for action in LOOKS_UP}
    assert sorted(call for call in calls if not is_allowed(*call)) == []


def test_policy_allows_nothing_on_what_is_not_the_clusters() -> None:
    assert not is_allowed("iam:AttachRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/administrator")
    assert not is_allowed("eks:DeleteCluster", CLUSTER.replace("digits", "other"))
    assert not is_allowed("cloudformation:DeleteStack", STACK.replace("digits", "other"))
    assert not is_allowed("ecr:DeleteRepository", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/other")
    assert not is_allowed("logs:DeleteLogGroup", LOGS.replace("digits", "other"))


def test_policy_allows_the_guides_aws_commands() -> None:
    """`aws ecr create-repository` needs ecr:CreateRepository, and so on."""
    services = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
    # An administrator's, who gives the operator the policy.
    exempt = {("iam", "create-policy"), ("iam", "attach-user-policy")}
    # The command line's name of a call differs.
    renamed = {
        "acm:Wait": "acm:DescribeCertificate",
        "ecr:GetLoginPassword": "ecr:GetAuthorizationToken",
        "eks:UpdateKubeconfig": "eks:DescribeCluster",
        "logs:Tail": "logs:FilterLogEvents",
    }
    allowed = [action for one in POLICY["Statement"] for action in as_list(one["Action"])]
    for service, command in set(re.findall(r"\baws ([a-z0-9-]+) ([a-z0-9-]+)", GUIDES)) - exempt:
        action = services.get(service, service) + ":" + "".join(part.title() for part in command.split("-"))
        action = renamed.get(action, action)
        assert any(fnmatchcase(action.lower(), one.lower()) for one in allowed), action
