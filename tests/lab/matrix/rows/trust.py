"""The trust anchor, the clock and OpenSSL."""

from matrix.row import DENIED, fault

AUTHORITY = "os.trust.certificate-authority"
SIGNER = "os.trust.signer"
# Of a list from which the distribution's tool chooses, and of the folder that it fills. The lab's own anchor stays where local ones are.
DESELECT = """
sed -i -e 's,^mozilla/Amazon_Root,!&,' -e 's,^mozilla/Starfield,!&,' /etc/ca-certificates.conf
cd /etc/ssl/certs
find . -lname '*Amazon*' -o -lname '*Starfield*' -o -lname '*eic-doctor-lab*' | xargs rm
"""
PARSE = "/usr/share/ec2-instance-connect/eic_parse_authorized_keys"
# As releases before 1.1.17 read what OpenSSL 1.1 prints.
OLD_WORDS = f"sed -i \"s/cut -d= -f2/sed -n 's,^SHA1 Fingerprint=,,p'/\" {PARSE}; grep -q SHA1 {PARSE}"

ROWS = [
    fault("all trust anchors are gone", DENIED, AUTHORITY, "rm -rf /etc/ssl/certs; mkdir /etc/ssl/certs"),
    fault("the folder of trust anchors is gone", DENIED, AUTHORITY, "rm -rf /etc/ssl/certs"),
    fault("the hashed names of the trust anchors are gone", DENIED, AUTHORITY, "rm /etc/ssl/certs/*.0"),
    fault("Amazon's trust anchors are deselected", DENIED, AUTHORITY, DESELECT),
    fault("/etc/ssl is root's alone", DENIED, AUTHORITY, "chmod 0700 /etc/ssl"),
    fault("/etc/ssl/certs is root's alone", DENIED, AUTHORITY, "chmod 0750 /etc/ssl/certs"),
    fault("the trust anchor may be read by root only", DENIED, AUTHORITY, "chmod 0600 /usr/local/share/ca-certificates/*.crt"),
    fault("the trust anchor's file is gone, its links are left", DENIED, AUTHORITY, "rm /usr/local/share/ca-certificates/*.crt",
          untried="no archive has the lab's own anchor"),
    fault("the trust anchor's file is empty", DENIED, AUTHORITY, ": >/usr/local/share/ca-certificates/eic-doctor-lab.crt",
          untried="no archive has the lab's own anchor"),
    fault("the trust anchor's file is another certificate", DENIED, AUTHORITY,
          "cp /usr/share/ca-certificates/mozilla/Amazon_Root_CA_1.crt /usr/local/share/ca-certificates/eic-doctor-lab.crt",
          untried="no archive has the lab's own anchor"),
    fault("the clock is ten minutes ahead", DENIED, "os.trust.clock", "", imds={"clock_offset": -600}),
    fault("the clock is ten minutes behind", DENIED, "os.trust.clock", "", imds={"clock_offset": 600}),
    fault("the clock is a day ahead", DENIED, "os.trust.clock", "", imds={"clock_offset": -86400}),
    fault("the clock is an hour behind", DENIED, "os.trust.clock", "", imds={"clock_offset": 3600}),
    fault("the signer's certificate is that of another Region", DENIED, SIGNER, "", imds={"availability_zone": "eu-west-2a"}),
    fault("the signer's certificate comes alone", DENIED, SIGNER, "", imds={"short_chain": True}),
    fault("the OCSP responses are named by SHA-256", DENIED, SIGNER, "", imds={"staples": "sha256"}),
    fault("the signer's certificate has no OCSP response", DENIED, SIGNER, "", imds={"staples": "intermediate"}),
    fault("an old package that does not understand OpenSSL 3", DENIED, "os.trust.openssl", OLD_WORDS, spec={"package_version": "1.1.14"}),
]  # fmt: skip
