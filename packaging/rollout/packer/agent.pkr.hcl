# An AMI with the agent, told where its coordinator is, started with each instance.
#
#   packer init .
#   packer build -var region=eu-west-1 -var source_ami=ami-0123456789abcdef0 \
#       -var package=../../../target/packages/eic-doctor-agent-0.1.0-1.x86_64.rpm -var package_sha256=… \
#       -var coordinator=coordinator.example.com -var authorities=for-agents.pem .
#
# Packer starts no instance of the image that it makes: `eic-doctor-agent check` looks at the one that the image is made of. EC2 Image
# Builder (../image-builder) tests an instance of the image too.

variable "region" {
  type = string
}

variable "source_ami" {
  type        = string
  description = "What the image is made from; EC2 Instance Connect has to be in it."
}

variable "instance_type" {
  type        = string
  default     = "t3.micro"
  description = "Of the package's architecture."
}

variable "ssh_username" {
  type        = string
  default     = "ec2-user"
  description = "Packer logs in as this user, and the login that is judged is this user's."
}

variable "package" {
  type        = string
  description = "The agent's .deb or .rpm, for the image's family and architecture."
}

variable "package_sha256" {
  type        = string
  description = "Its sum in the SHA256SUMS beside it."
  validation {
    condition     = length(var.package_sha256) == 64
    error_message = "The package_sha256 is not a SHA-256 in hexadecimal."
  }
}

variable "coordinator" {
  type        = string
  description = "HOST, HOST:PORT or https://HOST:PORT; 7443 where no port is named."
}

variable "authorities" {
  type        = string
  description = "The coordinator's for-agents.pem."
}

variable "start" {
  type        = string
  default     = "resident"
  description = "How the agent runs on instances: resident, by a timer once an hour, or not by itself."
  validation {
    condition     = contains(["resident", "timer", "none"], var.start)
    error_message = "The start is resident, timer or none."
  }
}

source "amazon-ebs" "agent" {
  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  ssh_username  = var.ssh_username
  ami_name      = "eic-doctor-agent-${formatdate("YYYYMMDD-hhmmss", timestamp())}"
  encrypt_boot  = true

  # As instances should have it: so the check finds what the keys command would find there.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  tags = {
    Base    = var.source_ami
    Package = basename(var.package)
  }
}

build {
  sources = ["source.amazon-ebs.agent"]

  provisioner "file" {
    source      = var.package
    destination = "/tmp/eic-doctor-agent-package"
  }

  provisioner "file" {
    source      = var.authorities
    destination = "/tmp/eic-doctor-authorities.pem"
  }

  provisioner "shell" {
    script          = "${path.root}/provision"
    execute_command = "sudo env {{ .Vars }} sh '{{ .Path }}'"
    environment_vars = [
      "PACKAGE_NAME=${basename(var.package)}",
      "PACKAGE_SHA256=${var.package_sha256}",
      "COORDINATOR=${var.coordinator}",
      "START=${var.start}",
      "OS_USER=${var.ssh_username}",
    ]
  }
}
