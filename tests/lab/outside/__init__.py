"""The fault lab of AWS's side: what stands between a client and the instance, broken through AWS's own APIs."""
