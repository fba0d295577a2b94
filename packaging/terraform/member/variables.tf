variable "coordinator_role_arn" {
  description = "`role_arn` of the module `coordinator`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$", var.coordinator_role_arn))
    error_message = "coordinator_role_arn is no ARN of a role."
  }
}

variable "external_id" {
  description = "`enrolment.external_id` of coordinator.toml. Needed where one coordinator serves several owners of accounts; null for none. It is no secret."
  type        = string
  default     = null

  validation {
    condition     = var.external_id == null || can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id))
    error_message = "external_id is no external ID: at least 2 letters, digits and _+=,.@:/-"
  }
}

variable "role_name" {
  description = "`enrolment.role_name` of coordinator.toml, the same in every account."
  type        = string
  default     = "eic-doctor-enrolment"
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
  description = "Of the role."
  type        = map(string)
  default     = {}
  nullable    = false
}
