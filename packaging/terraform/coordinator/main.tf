# The role of an EIC Doctor coordinator (`eic-doctor serve`), with what it reads and no more.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  account_id = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
}

resource "aws_iam_role" "this" {
  name                 = var.role_name
  description          = "EIC Doctor's coordinator reads why logins through EC2 Instance Connect fail"
  assume_role_policy   = local.trust
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = local.missing == null
      error_message = "runs_on = \"${var.runs_on}\" needs ${coalesce(local.missing, "nothing")}."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "eic-doctor"
  role   = aws_iam_role.this.name
  policy = local.policy
}

resource "aws_iam_instance_profile" "this" {
  count = var.runs_on == "ec2" ? 1 : 0

  name = var.role_name
  role = aws_iam_role.this.name
  tags = var.tags
}
