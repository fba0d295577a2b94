//! Security groups, network ACLs, and the prefix lists that they name.

use serde_json::{Value, json};

use super::instance::GROUPS;
use super::{OTHER_VPC, SUBNETS, VPC, Vpc};

pub const LISTS: [&str; 6] = [
    "pl-00000000000000004",
    "pl-00000000000000006",
    "pl-0c0000000000000c1",
    "pl-0c0000000000000c2",
    "pl-0c0000000000000c6",
    "pl-0c0000000000000cc",
];

pub fn write(vpc: &mut Vpc) {
    prefix_lists(vpc);
    let mut groups: Vec<Value> = Vec::new();
    for id in GROUPS {
        let group = json!({
            "GroupId": id,
            "GroupName": "web",
            "VpcId": VPC,
            "IpPermissions": permissions(vpc),
            "IpPermissionsEgress": permissions(vpc),
        });
        if !vpc.one_in(40) {
            groups.push(group);
        }
    }
    let everything =
        json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]);
    groups.push(json!({"GroupId": "sg-0f0000000000000ff", "VpcId": OTHER_VPC, "IpPermissions": everything}));
    vpc.random.shuffle(&mut groups);
    vpc.answer("ec2-describe-security-groups", json!({"SecurityGroups": groups}));
    acls(vpc);
}

/// EC2 Instance Connect's own, under their names, and customers'. The last of `LISTS` can never be read.
fn prefix_lists(vpc: &mut Vpc) {
    let region = vpc.region;
    let mut named = vec![
        json!({"PrefixListId": LISTS[0], "PrefixListName": format!("com.amazonaws.{region}.ec2-instance-connect"), "AddressFamily": "IPv4"}),
        json!({"PrefixListId": LISTS[1], "PrefixListName": format!("com.amazonaws.{region}.ipv6.ec2-instance-connect"), "AddressFamily": "IPv6"}),
        json!({"PrefixListId": "pl-0000000000000000b", "PrefixListName": format!("com.amazonaws.{region}.s3"), "AddressFamily": "IPv4"}),
    ];
    if vpc.one_in(20) {
        named.remove(vpc.random.below(2));
    }
    vpc.random.shuffle(&mut named);
    vpc.answer("ec2-describe-managed-prefix-lists", json!({"PrefixLists": named}));
    for (index, id) in LISTS[..5].iter().enumerate() {
        let is_v6 = index == 1 || index == 4;
        let count = if vpc.one_in(12) { 0 } else { 1 + vpc.random.below(3) };
        let mut entries: Vec<Value> = (0..count).map(|_| json!({"Cidr": vpc.near(is_v6)})).collect();
        if index < 2 && count != 0 && region != "ap-east-2" && !vpc.one_in(5) {
            let own = super::super::source::RANGES.iter().find(|(name, _, _)| *name == region).unwrap();
            entries = vec![json!({"Cidr": if is_v6 { own.2 } else { own.1 }})];
        }
        vpc.answer(format!("ec2-get-managed-prefix-list-entries.{id}"), json!({"Entries": entries}));
    }
}

fn permissions(vpc: &mut Vpc) -> Vec<Value> {
    let count = vpc.pick(&[0, 1, 1, 1, 2, 2, 3, 4]);
    (0..count).map(|_| permission(vpc)).collect()
}

fn permission(vpc: &mut Vpc) -> Value {
    let (protocol, ports): (&str, Option<(i32, i32)>) = vpc.pick(&[
        ("tcp", Some((22, 22))),
        ("tcp", Some((22, 22))),
        ("tcp", Some((22, 22))),
        ("tcp", Some((0, 65535))),
        ("tcp", Some((20, 443))),
        ("tcp", Some((443, 443))),
        ("tcp", Some((23, 2222))),
        ("6", Some((22, 22))),
        ("6", Some((0, 65535))),
        ("-1", None),
        ("-1", Some((-1, -1))),
        ("-1", Some((0, 65535))),
        ("all", None),
        ("udp", Some((22, 22))),
        ("17", Some((0, 65535))),
        ("icmp", Some((-1, -1))),
        ("icmp", Some((8, -1))),
        ("50", None),
    ]);
    let mut value = json!({"IpProtocol": protocol});
    if let Some((from, to)) = ports {
        value["FromPort"] = from.into();
        value["ToPort"] = to.into();
    }
    let mut v4: Vec<Value> = Vec::new();
    let mut v6: Vec<Value> = Vec::new();
    for _ in 0..vpc.pick(&[0, 1, 1, 1, 2]) {
        v4.push(json!({"CidrIp": vpc.near(false), "Description": "office"}));
    }
    for _ in 0..vpc.pick(&[0, 1, 1, 2]) {
        v6.push(json!({"CidrIpv6": vpc.near(true)}));
    }
    value["IpRanges"] = v4.into();
    value["Ipv6Ranges"] = v6.into();
    value["PrefixListIds"] = json!([]);
    value["UserIdGroupPairs"] = json!([]);
    if vpc.one_in(4) {
        value["PrefixListIds"] = json!([{"PrefixListId": vpc.pick(&LISTS)}]);
    }
    if vpc.one_in(5) {
        value["UserIdGroupPairs"] = json!([{"GroupId": vpc.pick(&GROUPS), "UserId": super::ACCOUNT}]);
    }
    value
}

fn acls(vpc: &mut Vpc) {
    let mut acls: Vec<Value> = Vec::new();
    for (index, subnet) in SUBNETS.iter().enumerate() {
        if vpc.one_in(25) {
            continue;
        }
        let associations = json!([{"NetworkAclAssociationId": "aclassoc-00000000000000000", "SubnetId": subnet}]);
        acls.push(acl(vpc, index, VPC, false, associations));
    }
    let default = acl(vpc, 8, VPC, true, json!([{"SubnetId": "subnet-0eeeeeeeeeeeeeeee"}]));
    let other = acl(vpc, 9, OTHER_VPC, true, json!([{"SubnetId": "subnet-0fffffffffffffff0"}]));
    acls.extend([default, other]);
    vpc.random.shuffle(&mut acls);
    vpc.answer("ec2-describe-network-acls", json!({"NetworkAcls": acls}));
}

fn acl(vpc: &mut Vpc, index: usize, of: &str, is_default: bool, associations: Value) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for is_outbound in [false, true] {
        if !vpc.one_in(3) {
            entries.push(entry(100, is_outbound, "allow", "-1", None, "0.0.0.0/0"));
            entries.push(entry(101, is_outbound, "allow", "-1", None, "::/0"));
        }
        if vpc.one_in(2) {
            let mut number = 0;
            for _ in 0..1 + vpc.random.below(4) {
                number += 1 + i32::try_from(vpc.random.below(60)).unwrap();
                number += i32::from(number == 100 || number == 101) * 2;
                let new = odd_entry(vpc, number, is_outbound);
                entries.push(new);
            }
        }
        if !vpc.one_in(12) {
            entries.push(entry(32767, is_outbound, "deny", "-1", None, "0.0.0.0/0"));
            entries.push(entry(32768, is_outbound, "deny", "-1", None, "::/0"));
        }
    }
    vpc.random.shuffle(&mut entries);
    json!({
        "NetworkAclId": format!("acl-0000000000000000{index}"),
        "VpcId": of,
        "IsDefault": is_default,
        "Associations": associations,
        "Entries": entries,
    })
}

fn odd_entry(vpc: &mut Vpc, number: i32, is_outbound: bool) -> Value {
    let action = vpc.pick(&["allow", "allow", "deny"]);
    let protocol = vpc.pick(&["6", "6", "6", "6", "-1", "tcp", "all", "17", "1"]);
    let inbound = [(22, 22), (0, 65535), (20, 25), (443, 443), (1024, 65535), (80, 2222)];
    let outbound = [(1024, 65535), (0, 65535), (32768, 60999), (49152, 65535), (1024, 32767), (22, 22), (32768, 65535)];
    let ports = if is_outbound != vpc.one_in(4) { vpc.pick(&outbound) } else { vpc.pick(&inbound) };
    let ports = (protocol != "-1" && protocol != "all" || vpc.one_in(6)).then_some(ports);
    let is_v6 = vpc.one_in(3);
    let cidr = vpc.near(is_v6);
    entry(number, is_outbound, action, protocol, ports, &cidr)
}

fn entry(number: i32, is_outbound: bool, action: &str, protocol: &str, ports: Option<(i32, i32)>, cidr: &str) -> Value {
    let mut value = json!({"RuleNumber": number, "Egress": is_outbound, "RuleAction": action, "Protocol": protocol});
    value[if cidr.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" }] = cidr.into();
    if let Some((from, to)) = ports {
        value["PortRange"] = json!({"From": from, "To": to});
    }
    value
}
