variable "runs_on" {
  description = "Who is trusted to hand out the role: `ec2` to an instance (an instance profile is made), `ecs` to tasks of this account, `eks` (Pod Identity) or `irsa` (IAM roles for service accounts, OIDC) to one Kubernetes service account."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["ec2", "ecs", "eks", "irsa"], var.runs_on)
    error_message = "runs_on is one of ec2, ecs, eks, irsa."
  }
}

variable "eks_cluster_name" {
  description = "Of the cluster that the coordinator runs in; needed where runs_on is `eks`."
  type        = string
  default     = null

  validation {
    condition     = var.eks_cluster_name == null || can(regex("^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", var.eks_cluster_name))
    error_message = "eks_cluster_name is no name of a cluster."
  }
}

variable "oidc_provider_arn" {
  description = "Of the cluster's OIDC provider in IAM; needed where runs_on is `irsa`."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/.+$", var.oidc_provider_arn))
    error_message = "oidc_provider_arn is no ARN of an OIDC provider."
  }
}

variable "kubernetes_namespace" {
  description = "Of the service account, where runs_on is `eks` or `irsa`."
  type        = string
  default     = "eic-doctor"
  nullable    = false

  validation {
    # A `*` would let every namespace in.
    condition     = can(regex("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", var.kubernetes_namespace))
    error_message = "kubernetes_namespace is no name of a namespace."
  }
}

variable "kubernetes_service_account" {
  description = "Whom the coordinator's pods run as, where runs_on is `eks` or `irsa`."
  type        = string
  default     = "eic-doctor"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", var.kubernetes_service_account))
    error_message = "kubernetes_service_account is no name of a service account."
  }
}

variable "member_role_name" {
  description = "The role of the module `member`, `enrolment.role_name` in coordinator.toml. With null no other account can be entered."
  type        = string
  default     = "eic-doctor-enrolment"

  validation {
    # A `*` would be every role that trusts this one.
    condition     = var.member_role_name == null || can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.member_role_name))
    error_message = "member_role_name is no name of a role."
  }
}

variable "organization" {
  description = "Whether instances of every account of the Organization may enrol (`enrolment.organization`). organizations:ListAccounts is answered in the management account, or in one that is a delegated administrator, alone."
  type        = bool
  default     = false
  nullable    = false
}

variable "event_bus_arn" {
  description = "The event bus that is told of changes (`[[notify]]` with `kind = \"event-bridge\"`); null for none."
  type        = string
  default     = null

  validation {
    condition     = var.event_bus_arn == null || can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9_./-]+$", var.event_bus_arn))
    error_message = "event_bus_arn is no ARN of an event bus."
  }
}

variable "topic_arn" {
  description = "The topic that is told of changes (`[[notify]]` with `kind = \"sns\"`); null for none."
  type        = string
  default     = null

  validation {
    condition     = var.topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+([.]fifo)?$", var.topic_arn))
    error_message = "topic_arn is no ARN of a topic."
  }
}

variable "security_hub" {
  description = "Whether findings may be sent to Security Hub. `serve` sends none; it is for `eic-doctor fleet --send-to-security-hub`, run on a schedule under this role."
  type        = bool
  default     = false
  nullable    = false
}

variable "role_name" {
  description = "A fixed name, for the module `member` in other accounts names this role before and after it is made anew."
  type        = string
  default     = "eic-doctor-coordinator"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.role_name))
    error_message = "role_name is no name of a role."
  }
}

variable "permissions_boundary_arn" {
  description = "A boundary that your accounts demand of every role; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn is no ARN of a policy."
  }
}

variable "tags" {
  description = "Of the role and the instance profile."
  type        = map(string)
  default     = {}
  nullable    = false
}
