"""The Google Cloud side: one plan, rendered for gcloud and for Terraform."""
