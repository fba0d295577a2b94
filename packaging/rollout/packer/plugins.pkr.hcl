# What `packer init` gets. In a file of its own, so that a Packer whose builders are built in (before 1.7) can read the template.
packer {
  required_plugins {
    amazon = {
      version = "~> 1.3"
      source  = "github.com/hashicorp/amazon"
    }
  }
}
