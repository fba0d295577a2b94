output "role_arn" {
  description = "For `coordinator_role_arn` of the module `member`, TaskRoleArn of the ECS example, or the Kubernetes service account."
  value       = aws_iam_role.this.arn
}

output "instance_profile_name" {
  description = "Where runs_on is `ec2`."
  value       = one(aws_iam_instance_profile.this[*].name)
}

output "enrolment_role_name" {
  description = "For `enrolment.role_name` of coordinator.toml, and `role_name` of the module `member`."
  value       = var.member_role_name
}
