output "role_arn" {
  description = "Of the role in this account."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "For `enrolment.role_name` of coordinator.toml."
  value       = aws_iam_role.this.name
}
