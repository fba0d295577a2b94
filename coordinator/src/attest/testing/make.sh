#!/usr/bin/env bash
# Makes the files beside it anew: a key and a certificate that stand in for AWS's of a Region (and for an attacker's own), a document in
# AWS's form, and its signature in the BER that AWS writes. They are worth nothing outside of tests. Needs openssl 3.
set -euo pipefail
cd "$(dirname "$0")"
for name in region attacker; do
    openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.key
    openssl req -x509 -new -key $name.key -sha256 -days 36500 -subj "/C=US/ST=Washington State/L=Seattle/O=EIC Doctor tests, $name" -out $name.pem
done
cat >document.json <<'JSON'
{
  "accountId" : "123456789012",
  "architecture" : "x86_64",
  "availabilityZone" : "eu-west-1a",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-0123456789abcdef0",
  "instanceId" : "i-0123456789abcdef0",
  "instanceType" : "t3.micro",
  "kernelId" : null,
  "pendingTime" : "2027-01-01T00:00:00Z",
  "privateIp" : "10.0.1.5",
  "ramdiskId" : null,
  "region" : "eu-west-1",
  "version" : "2017-09-30"
}
JSON
truncate -s -1 document.json
for name in region attacker; do
    openssl cms -sign -binary -stream -nodetach -nocerts -md sha256 -in document.json -signer $name.pem -inkey $name.key -outform DER |
        openssl base64 >$name.rsa2048
done
# With the signer's certificate inside, which AWS does not do and which must not count.
openssl cms -sign -binary -stream -nodetach -md sha256 -in document.json -signer attacker.pem -inkey attacker.key -outform DER |
    openssl base64 >attacker-certificate.rsa2048
