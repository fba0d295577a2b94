//! The instance and its interfaces, their subnets, and the EC2 Instance Connect Endpoints beside it.

use serde_json::{Map, Value, json};

use super::{ACCOUNT, OTHER_ACCOUNT, OTHER_VPC, SUBNETS, VPC, Vpc};

pub const GROUPS: [&str; 5] = [
    "sg-0a0000000000000aa",
    "sg-0b0000000000000bb",
    "sg-0c0000000000000cc",
    "sg-0d0000000000000dd",
    "sg-0e0000000000000ee",
];

pub fn write(vpc: &mut Vpc) {
    let mut interfaces = vec![interface(vpc, 0)];
    if vpc.one_in(3) {
        interfaces.push(interface(vpc, 1));
    }
    let primary = interfaces[0].clone();
    let mut instance = json!({
        "InstanceId": "i-0123456789abcdef0",
        "InstanceType": "m7i.large",
        "State": {"Code": 16, "Name": "running"},
        "Placement": {"AvailabilityZone": format!("{}a", vpc.region)},
        "VpcId": VPC,
        "SubnetId": SUBNETS[0],
        "SecurityGroups": primary["Groups"],
    });
    for (key, value) in [
        ("PrivateIpAddress", primary.pointer("/PrivateIpAddress")),
        ("PublicIpAddress", primary.pointer("/Association/PublicIp")),
        ("Ipv6Address", primary.pointer("/Ipv6Addresses/0/Ipv6Address")),
    ] {
        if let Some(value) = value {
            instance[key] = value.clone();
        }
    }
    if vpc.one_in(2) {
        interfaces.reverse();
    }
    instance["NetworkInterfaces"] = interfaces.into();
    let mut reservation = json!({"ReservationId": "r-0123456789abcdef0", "Instances": [instance]});
    if !vpc.one_in(10) {
        reservation["OwnerId"] = ACCOUNT.into();
    }
    vpc.answer("ec2-describe-instances", json!({"Reservations": [reservation]}));
    subnets(vpc);
    endpoints(vpc);
}

fn interface(vpc: &mut Vpc, index: usize) -> Value {
    let place = index + 1;
    let mut interface = json!({
        "NetworkInterfaceId": format!("eni-0000000000000000{index}"),
        "SubnetId": SUBNETS[index],
        "VpcId": VPC,
        "Status": "in-use",
        "SourceDestCheck": true,
        "Attachment": {"DeviceIndex": index, "Status": "attached"},
    });
    let groups: &[&str] = match vpc.random.below(20) {
        0 => &[],
        1..5 => &[GROUPS[1], GROUPS[0]],
        5..8 => &[GROUPS[0], GROUPS[2], GROUPS[1]],
        _ if index == 1 => &[GROUPS[2]],
        _ => &[GROUPS[0]],
    };
    interface["Groups"] = groups.iter().map(|id| json!({"GroupId": id, "GroupName": "web"})).collect();
    if !vpc.is_v6_only {
        let odds = if index == 0 { 4 } else { 2 };
        let own = (!vpc.one_in(odds)).then(|| format!("198.51.100.{place}0"));
        let mut addresses = vec![private(format!("10.0.{place}.10"), true, own.clone())];
        if vpc.one_in(5) {
            let elastic = vpc.one_in(2).then(|| format!("198.51.100.{place}1"));
            addresses.insert(vpc.random.below(2), private(format!("10.0.{place}.11"), false, elastic));
        }
        interface["PrivateIpAddress"] = format!("10.0.{place}.10").into();
        if let Some(own) = own {
            interface["Association"] = json!({"PublicIp": own, "IpOwnerId": "amazon"});
        }
        interface["PrivateIpAddresses"] = addresses.into();
    }
    if vpc.is_v6_only || vpc.one_in(2) {
        let mut addresses = vec![json!({"Ipv6Address": format!("2001:db8:12:340{place}::20")})];
        if vpc.one_in(6) {
            addresses.push(json!({"Ipv6Address": format!("2001:db8:12:340{place}::21")}));
        }
        interface["Ipv6Addresses"] = addresses.into();
    }
    interface
}

fn private(address: String, is_primary: bool, public: Option<String>) -> Value {
    let mut value = json!({"PrivateIpAddress": address, "Primary": is_primary});
    if let Some(public) = public {
        value["Association"] = json!({"PublicIp": public, "IpOwnerId": ACCOUNT});
    }
    value
}

fn subnets(vpc: &mut Vpc) {
    let owner = vpc.pick(&[Some(ACCOUNT), Some(ACCOUNT), Some(ACCOUNT), Some(ACCOUNT), Some(OTHER_ACCOUNT), None]);
    let mut subnets: Vec<Value> = Vec::new();
    for (index, id) in SUBNETS.iter().enumerate() {
        let place = index + 1;
        let v6 = json!([{"Ipv6CidrBlock": format!("2001:db8:12:340{place}::/64")}]);
        let mut subnet = json!({"SubnetId": id, "VpcId": VPC, "AvailabilityZone": format!("{}a", vpc.region), "Ipv6CidrBlockAssociationSet": v6});
        if vpc.is_v6_only {
            subnet["Ipv6Native"] = true.into();
        } else {
            subnet["CidrBlock"] = format!("10.0.{place}.0/24").into();
        }
        if let Some(owner) = owner {
            subnet["OwnerId"] = owner.into();
        }
        if !vpc.one_in(40) {
            subnets.push(subnet);
        }
    }
    vpc.random.shuffle(&mut subnets);
    vpc.answer("ec2-describe-subnets", json!({"Subnets": subnets}));
}

fn endpoints(vpc: &mut Vpc) {
    let count = vpc.pick(&[0, 1, 1, 1, 1, 1, 2, 3]);
    let mut endpoints: Vec<Value> = Vec::new();
    let mut interfaces: Vec<Value> = Vec::new();
    for index in 0..count {
        let subnet = vpc.random.below(SUBNETS.len());
        let keeps = vpc.one_in(4);
        let states = [
            "create-complete",
            "create-complete",
            "create-complete",
            "update-complete",
            "update-failed",
            "update-in-progress",
        ];
        let bad_states = ["create-failed", "create-in-progress", "delete-in-progress", "delete-failed"];
        let state = if vpc.one_in(6) { vpc.pick(&bad_states) } else { vpc.pick(&states) };
        let own = [vpc.pick(&GROUPS[2..]), vpc.pick(&GROUPS[..4])];
        let groups = if vpc.one_in(4) { &own[..] } else { &own[..1] };
        let interface = format!("eni-0000000000000001{index}");
        let mut endpoint = json!({
            "InstanceConnectEndpointId": format!("eice-0000000000000000{index}"),
            "OwnerId": ACCOUNT,
            "State": state,
            "StateMessage": "",
            "NetworkInterfaceIds": [interface],
            "VpcId": if vpc.one_in(10) { OTHER_VPC } else { VPC },
            "SubnetId": SUBNETS[subnet],
            "PreserveClientIp": keeps,
            "SecurityGroupIds": groups,
        });
        let kinds = [None, Some("ipv4"), Some("ipv4"), Some("dualstack"), Some("ipv6")];
        let kind = if keeps { Some("ipv4") } else { vpc.pick(&kinds) };
        if let Some(kind) = kind {
            endpoint["IpAddressType"] = kind.into();
        }
        endpoints.push(endpoint);
        interfaces.push(endpoint_interface(&interface, subnet, index, groups, kind));
    }
    // AWS lists every endpoint's interfaces where it is not asked for one's.
    vpc.random.shuffle(&mut interfaces);
    vpc.answer("ec2-describe-instance-connect-endpoints", json!({"InstanceConnectEndpoints": endpoints}));
    vpc.answer("ec2-describe-network-interfaces", json!({"NetworkInterfaces": interfaces}));
}

fn endpoint_interface(id: &str, subnet: usize, index: usize, groups: &[&str], kind: Option<&str>) -> Value {
    let place = subnet + 1;
    let mut interface = json!({
        "NetworkInterfaceId": id,
        "SubnetId": SUBNETS[subnet],
        "VpcId": VPC,
        "Groups": groups.iter().map(|id| json!({"GroupId": id})).collect::<Value>(),
    });
    let address = format!("10.0.{place}.7{index}");
    if kind != Some("ipv6") {
        interface["PrivateIpAddress"] = address.clone().into();
        interface["PrivateIpAddresses"] = json!([{"PrivateIpAddress": address, "Primary": true}]);
    }
    let mut more = Map::new();
    if matches!(kind, Some("ipv6" | "dualstack")) {
        more.insert("Ipv6Addresses".into(), json!([{"Ipv6Address": format!("2001:db8:12:340{place}::7{index}")}]));
    }
    interface.as_object_mut().unwrap().extend(more);
    interface
}
