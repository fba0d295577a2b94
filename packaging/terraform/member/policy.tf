# What the role may and who may have it: worked out here from the variables and `local.partition`, without a provider, so that EIC
# Doctor's tests can run it.

locals {
  # `eic-doctor policy --for member`, as it is printed: each action that the code calls. A test compares.
  generated = jsondecode(file("${path.module}/policy.json")).Statement

  # The one action of this statement is about no other kind of resource.
  narrowed = {
    ReadPoliciesAndProfiles = ["arn:${local.partition}:iam::*:instance-profile/*"]
  }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in local.generated : {
        Sid      = statement.Sid
        Effect   = statement.Effect
        Action   = statement.Action
        Resource = lookup(local.narrowed, statement.Sid, [for arn in statement.Resource : replace(arn, "arn:aws:", "arn:${local.partition}:")])
      }
    ]
  })

  # The account, and in it one role by a condition. A role that is named as the principal has to be there first, and IAM keeps its hidden
  # id: made anew under its old name, it would be shut out of every account.
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${split(":", var.coordinator_role_arn)[4]}:root" }
      Action    = ["sts:AssumeRole"]
      Condition = merge(
        { ArnEquals = { "aws:PrincipalArn" = var.coordinator_role_arn } },
        { for key, id in { StringEquals = var.external_id } : key => { "sts:ExternalId" = id } if id != null },
      )
    }]
  })
}
