//! Through an EC2 Instance Connect Endpoint: what stands in the way is named, and the printed command mends it.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::{Run, Scenario, lab, root};

/// Endpoints are a Region's in the lab, so this test has one of its own.
const REGION: &str = "eu-north-1";
const ENDPOINT: &str = "eice-0a1b2c3d4e5f60718";

struct Site {
    scenario: Scenario,
    endpoint_group: String,
    interface: String,
    bin: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let scenario = lab().scenario(json!({ "machine": false, "region": REGION }));
        let bin = tempfile::tempdir().unwrap();
        symlink(root().join("tests/lab/aws-cli"), bin.path().join("aws")).unwrap();
        let mut site = Self { scenario, endpoint_group: String::new(), interface: String::new(), bin };
        let (vpc, subnet) = (site.id("vpc_id"), site.id("subnet_id"));
        let group = site.paste(&format!(
            "aws ec2 create-security-group --group-name endpoint --description endpoint --vpc-id {vpc} --output json"
        ));
        site.endpoint_group = group["GroupId"].as_str().unwrap().to_owned();
        let made = site.paste(&format!(
            "aws ec2 create-network-interface --subnet-id {subnet} --groups {} --output json",
            site.endpoint_group
        ));
        site.interface = made["NetworkInterface"]["NetworkInterfaceId"].as_str().unwrap().to_owned();
        site
    }

    fn id(&self, name: &str) -> String {
        self.scenario.get(name).to_owned()
    }

    /// The one endpoint of the Region, in this state; none where that is empty.
    fn endpoint(&self, state: &str) {
        let (vpc, subnet) = (self.id("vpc_id"), self.id("subnet_id"));
        let arn = format!("arn:aws:ec2:{REGION}:{}:instance-connect-endpoint/{ENDPOINT}", self.id("account_id"));
        let endpoint = json!({
            "instanceConnectEndpointId": ENDPOINT, "instanceConnectEndpointArn": arn, "state": state,
            "networkInterfaceIdSet": [self.interface], "vpcId": vpc, "subnetId": subnet,
            "securityGroupIdSet": [self.endpoint_group], "preserveClientIp": false, "ipAddressType": "ipv4",
        });
        let endpoints = if state.is_empty() { json!([]) } else { json!([endpoint]) };
        lab().control("POST", "/region", &json!({ "region": REGION, "endpoints": endpoints }));
    }

    fn check(&self) -> Run {
        self.scenario.check(&["--via", "endpoint", "--os-facts", "none"])
    }

    fn causes(&self) -> Value {
        self.check().report()["root_causes"].clone()
    }

    /// A command as a person pastes it, with the real AWS CLI on the path.
    fn paste(&self, command: &str) -> Value {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("PATH", format!("{}:/usr/bin:/bin", self.bin.path().display()));
        for (name, value) in self.scenario.command(&[]).get_envs().filter(|(name, _)| *name != "PATH") {
            shell.env(name, value.unwrap_or_default());
        }
        let pasted = shell.output().unwrap();
        assert!(pasted.status.success(), "{command}: {}", String::from_utf8_lossy(&pasted.stderr));
        serde_json::from_slice(&pasted.stdout).unwrap_or_default()
    }

    /// The only root cause is `id`, and its command takes it away.
    fn mends(&self, id: &str) {
        let found = self.check();
        found.expect(1, "no", &[id]);
        let command = found.result(id)["remedy"]["command"].as_str().unwrap().to_owned();
        self.paste(&command);
        assert_eq!(self.check().result(id)["status"], "ok", "after `{command}`");
    }
}

#[test]
fn each_thing_in_the_way_through_an_endpoint_is_named_and_mended() {
    let site = Site::new();
    site.endpoint("");
    assert_eq!(site.causes(), json!(["aws.endpoint.exists"]));
    site.endpoint("create-failed");
    // A policy that allows the push alone, and a group that admits the client's network alone, stand behind it.
    let behind = ["aws.endpoint.state", "aws.network.security-group-ingress", "aws.iam.open-tunnel"];
    let causes = site.causes();
    for cause in causes.as_array().unwrap() {
        assert!(behind.contains(&cause.as_str().unwrap()), "{causes}");
    }
    assert_eq!(causes[0], "aws.endpoint.state");
    site.endpoint("create-complete");
    for id in ["aws.network.security-group-ingress", "aws.iam.open-tunnel"] {
        let found = site.check().result(id);
        if found["status"] == "fail" {
            site.paste(found["remedy"]["command"].as_str().unwrap());
        }
    }
    let healthy = site.check();
    assert_eq!(healthy.report()["root_causes"], json!([]), "{}", healthy.findings());
    assert_eq!(healthy.report()["path"]["answer"], "allowed", "{}", healthy.findings());
    site.paste(&format!(
        "aws ec2 revoke-security-group-egress --group-id {} --ip-permissions IpProtocol=-1,IpRanges='[{{CidrIp=0.0.0.0/0}}]'",
        site.endpoint_group
    ));
    site.mends("aws.endpoint.security-group-egress");
}
