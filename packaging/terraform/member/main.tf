# The role that an EIC Doctor coordinator of another account assumes in this one, with what it reads and no more. For every account whose
# instances enrol, but the coordinator's own; with an Organization, cloudformation/member-role.yaml as a StackSet reaches new accounts too.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition
}

resource "aws_iam_role" "this" {
  name                 = var.role_name
  description          = "EIC Doctor's coordinator reads why logins through EC2 Instance Connect fail"
  assume_role_policy   = local.trust
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "eic-doctor"
  role   = aws_iam_role.this.name
  policy = local.policy
}
