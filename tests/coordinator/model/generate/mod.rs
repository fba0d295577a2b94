//! VPCs by number: the same number, the same VPC. Most of it is as people build it, and some of it is as nobody should.
//!
//! All addresses lie near a few focal ones, so that rules, routes and sources overlap, contain and just miss each other.

mod addresses;
mod filters;
mod gateways;
mod instance;

use serde_json::{Value, json};

use super::Question;
use super::documents::Calls;
use super::random::Random;
use addresses::Focus;

pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";
pub const OTHER_VPC: &str = "vpc-0ffffffffffffffff";
pub const ACCOUNT: &str = "111122223333";
pub const OTHER_ACCOUNT: &str = "444455556666";
/// Of the primary interface, of the second one, and one that only an endpoint stands in.
pub const SUBNETS: [&str; 3] = ["subnet-0a1b2c3d4e5f60718", "subnet-0b2c3d4e5f6071829", "subnet-0c3d4e5f607182930"];

/// A VPC in the making.
pub struct Vpc {
    pub random: Random,
    pub focus: Focus,
    pub region: &'static str,
    pub is_v6_only: bool,
    calls: Calls,
}

/// The printed answers of every call about the VPC of this number, and `questions` questions about it.
pub fn vpc(number: u64, questions: usize) -> (Calls, Vec<Question>) {
    let mut random = Random::seeded(number);
    let region = random.pick(&["eu-west-1", "eu-west-1", "eu-west-1", "eu-north-1", "us-east-1", "ap-east-2"]);
    let focus = Focus::new(&mut random, region);
    let is_v6_only = random.one_in(15);
    let mut vpc = Vpc { random, focus, region, is_v6_only, calls: Calls::new() };
    vpc.calls.insert("region".into(), region.into());
    instance::write(&mut vpc);
    filters::write(&mut vpc);
    gateways::write(&mut vpc);
    vpc.refuse_some();
    let questions = (0..questions).map(|_| vpc.question()).collect();
    (vpc.calls, questions)
}

impl Vpc {
    pub fn one_in(&mut self, n: usize) -> bool {
        self.random.one_in(n)
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        self.random.pick(from)
    }

    pub fn near(&mut self, is_v6: bool) -> String {
        self.focus.near(&mut self.random, is_v6)
    }

    pub fn answer(&mut self, call: impl Into<String>, value: Value) {
        self.calls.insert(call.into(), value);
    }

    /// Calls that the credentials may not make, and calls that nobody made.
    fn refuse_some(&mut self) {
        let names: Vec<String> = self.calls.keys().cloned().collect();
        for name in names {
            if name == "region" || name == "ec2-describe-instances" {
                continue;
            }
            let odds = if name.starts_with("ec2-get-managed-prefix-list-entries") { 12 } else { 60 };
            if self.one_in(odds) {
                let refusal = json!({"EicDoctorUnreadable": {"Reason": "refused", "MissingAction": "ec2:Describe"}});
                self.calls.insert(name, refusal);
            } else if self.one_in(odds) {
                self.calls.remove(&name);
            }
        }
    }

    fn question(&mut self) -> Question {
        let via = self
            .pick(&["public", "public", "public", "browser", "browser", "private", "private", "endpoint", "endpoint"]);
        let source = match via {
            "browser" => None,
            "endpoint" if !self.one_in(3) => None,
            _ if self.one_in(12) => None,
            "public" if !self.one_in(20) => Some(self.focus.public_source(&mut self.random)),
            _ => Some(self.focus.private_source(&mut self.random)),
        };
        let address = if self.one_in(5) { Some(self.an_address(via)) } else { None };
        let port = self.pick(&[22, 22, 22, 22, 2222, 443]);
        Question { via, source, address, port }
    }

    /// One of the instance's, or one that is nobody's.
    fn an_address(&mut self, via: &str) -> String {
        let instance = &self.calls["ec2-describe-instances"]["Reservations"][0]["Instances"][0];
        let mut all = vec![String::from("198.51.100.99"), String::from("10.0.1.99")];
        for interface in instance["NetworkInterfaces"].as_array().unwrap() {
            let of = |list: &str, path: &str| {
                let items = interface[list].as_array().map_or(&[][..], Vec::as_slice);
                items.iter().filter_map(|a| a.pointer(path)?.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            let path = if matches!(via, "public" | "browser") { "/Association/PublicIp" } else { "/PrivateIpAddress" };
            for _ in 0..3 {
                all.extend(of("PrivateIpAddresses", path));
                all.extend(of("Ipv6Addresses", "/Ipv6Address"));
            }
        }
        let chosen = self.random.below(all.len());
        all.swap_remove(chosen)
    }
}
