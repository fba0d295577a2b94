# What the role may and who may have it: worked out here from the variables and `local.account_id`, `local.partition`, without a provider,
# so that EIC Doctor's tests can run it.

locals {
  # `eic-doctor policy --for serve`, as it is printed: each action that the code calls. A test compares.
  generated = jsondecode(file("${path.module}/policy.json")).Statement

  # What is switched off.
  not_granted = concat(
    var.organization ? [] : ["organizations:ListAccounts"],
    var.member_role_name == null ? ["sts:AssumeRole"] : [],
    var.event_bus_arn == null ? ["events:PutEvents"] : [],
    var.topic_arn == null ? ["sns:Publish"] : [],
  )

  # Narrower than the generated policy, which cannot know these names.
  narrowed = {
    ReadPoliciesAndProfiles = ["arn:${local.partition}:iam::*:instance-profile/*"]
    EnterOtherAccounts      = ["arn:${local.partition}:iam::*:role/${coalesce(var.member_role_name, "-")}"]
    TellOfChanges           = [for arn in [var.event_bus_arn, var.topic_arn] : arn if arn != null]
  }

  granted = [
    for statement in local.generated : {
      Sid      = statement.Sid
      Effect   = statement.Effect
      Action   = [for action in statement.Action : action if !contains(local.not_granted, action)]
      Resource = lookup(local.narrowed, statement.Sid, [for arn in statement.Resource : replace(arn, "arn:aws:", "arn:${local.partition}:")])
    }
  ]

  send_findings = {
    Sid      = "SendFindings"
    Effect   = "Allow"
    Action   = ["securityhub:BatchImportFindings"]
    Resource = ["arn:${local.partition}:securityhub:*:${local.account_id}:product/${local.account_id}/default"]
  }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for statement in local.granted : statement if length(statement.Action) > 0],
      [for statement in [local.send_findings] : statement if var.security_hub],
    )
  })

  # The issuer without its scheme, as IAM's condition keys have it.
  oidc_issuer = element(split("oidc-provider/", coalesce(var.oidc_provider_arn, "-")), 1)

  trusted = {
    ec2 = {
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      Condition = {}
    }
    # ECS acts for many accounts: only for tasks of this one may it hand out the role.
    ecs = {
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = ["sts:AssumeRole"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:*:${local.account_id}:*" }
      }
    }
    # Pod Identity tags each session with where the pod runs, and these tags are what is trusted.
    eks = {
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = {
        StringEquals = {
          "aws:SourceAccount"                         = local.account_id
          "aws:RequestTag/eks-cluster-name"           = var.eks_cluster_name
          "aws:RequestTag/kubernetes-namespace"       = var.kubernetes_namespace
          "aws:RequestTag/kubernetes-service-account" = var.kubernetes_service_account
        }
      }
    }
    irsa = {
      Principal = { Federated = var.oidc_provider_arn }
      Action    = ["sts:AssumeRoleWithWebIdentity"]
      Condition = {
        StringEquals = {
          "${local.oidc_issuer}:aud" = "sts.amazonaws.com"
          "${local.oidc_issuer}:sub" = "system:serviceaccount:${var.kubernetes_namespace}:${var.kubernetes_service_account}"
        }
      }
    }
  }

  trust = jsonencode({
    Version   = "2012-10-17"
    Statement = [merge({ Effect = "Allow" }, { for key, value in local.trusted[var.runs_on] : key => value if length(value) > 0 })]
  })

  # What a trust would lack that is asked for by `runs_on`: without the name of its cluster, any cluster's service account.
  missing = (
    var.runs_on == "eks" && var.eks_cluster_name == null ? "eks_cluster_name" :
    var.runs_on == "irsa" && var.oidc_provider_arn == null ? "oidc_provider_arn" : null
  )
}
