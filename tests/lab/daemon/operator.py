"""The operator: the IAM user that every access key stands for which STS did not give out. It may do all."""

from __future__ import annotations

import json

from aws.identity import OPERATOR

from .clients import Clients

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def ensure_operator(clients: Clients, region: str) -> None:
    """IAM is one per partition, so each partition needs its own."""
    iam = clients.of("iam", region)
    try:
        iam.create_user(UserName=OPERATOR)
    except iam.exceptions.EntityAlreadyExistsException:
        return
    iam.put_user_policy(UserName=OPERATOR, PolicyName="everything", PolicyDocument=json.dumps(EVERYTHING))
