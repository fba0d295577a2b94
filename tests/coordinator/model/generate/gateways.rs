//! Route tables, internet gateways, and VPC Block Public Access.

use serde_json::{Value, json};

use super::filters::LISTS;
use super::{ACCOUNT, OTHER_VPC, SUBNETS, VPC, Vpc};

const GATEWAYS: [&str; 2] = ["igw-0a1b2c3d4e5f60718", "igw-0ffffffffffffffff"];

pub fn write(vpc: &mut Vpc) {
    let mut tables = vec![table(vpc, 0, VPC, json!([{"Main": true}]))];
    for (index, subnet) in SUBNETS[..2].iter().enumerate() {
        if vpc.one_in(3) {
            continue;
        }
        let mut association =
            json!({"Main": false, "RouteTableAssociationId": "rtbassoc-00000000000000000", "SubnetId": subnet});
        state(vpc, &mut association);
        tables.push(table(vpc, index + 1, VPC, json!([association])));
    }
    tables.push(table(vpc, 8, OTHER_VPC, json!([{"Main": true}])));
    if vpc.one_in(10) {
        tables.push(at_the_gateway(vpc));
    }
    vpc.random.shuffle(&mut tables);
    vpc.answer("ec2-describe-route-tables", json!({"RouteTables": tables}));
    internet_gateways(vpc);
    public_access(vpc);
}

/// Often left out by older documents; once in a while an association that is going.
fn state(vpc: &mut Vpc, association: &mut Value) {
    let state =
        vpc.pick(&[None, None, Some("associated"), Some("associated"), Some("associated"), Some("disassociated")]);
    if let Some(state) = state {
        association["AssociationState"] = json!({"State": state});
    }
}

fn table(vpc: &mut Vpc, index: usize, of: &str, associations: Value) -> Value {
    let mut routes: Vec<Value> = vec![route("DestinationCidrBlock", "10.0.0.0/16", "GatewayId", "local")];
    routes.push(route("DestinationIpv6CidrBlock", "2001:db8:12:3400::/56", "GatewayId", "local"));
    let gateway = if vpc.one_in(15) { GATEWAYS[1] } else { GATEWAYS[0] };
    if !vpc.one_in(5) {
        routes.push(route("DestinationCidrBlock", "0.0.0.0/0", "GatewayId", gateway));
        routes.push(route("DestinationIpv6CidrBlock", "::/0", "GatewayId", gateway));
    }
    if !vpc.one_in(3) {
        for net in ["192.168.0.0/16", "172.16.0.0/12", "10.9.0.0/16"] {
            routes.push(route("DestinationCidrBlock", net, "TransitGatewayId", "tgw-0a1b2c3d4e5f60718"));
        }
        routes.push(route("DestinationIpv6CidrBlock", "2001:db8:99::/48", "TransitGatewayId", "tgw-0a1b2c3d4e5f60718"));
    }
    if vpc.one_in(2) {
        for _ in 0..1 + vpc.random.below(4) {
            let odd = odd_route(vpc, &routes);
            routes.push(odd);
        }
    }
    vpc.random.shuffle(&mut routes);
    json!({"RouteTableId": format!("rtb-0000000000000000{index}"), "VpcId": of, "Associations": associations, "Routes": routes})
}

fn route(key: &str, destination: &str, target: &str, id: &str) -> Value {
    json!({key: destination, target: id, "State": "active", "Origin": "CreateRoute"})
}

fn odd_route(vpc: &mut Vpc, others: &[Value]) -> Value {
    let (target, id) = vpc.pick(&[
        ("GatewayId", GATEWAYS[0]),
        ("GatewayId", GATEWAYS[0]),
        ("GatewayId", GATEWAYS[1]),
        ("NatGatewayId", "nat-0a1b2c3d4e5f60718"),
        ("EgressOnlyInternetGatewayId", "eigw-0a1b2c3d4e5f60718"),
        ("TransitGatewayId", "tgw-0a1b2c3d4e5f60718"),
        ("TransitGatewayId", "tgw-0a1b2c3d4e5f60718"),
        ("VpcPeeringConnectionId", "pcx-0a1b2c3d4e5f60718"),
        ("GatewayId", "vgw-0a1b2c3d4e5f60718"),
        ("GatewayId", "vpce-0a1b2c3d4e5f60718"),
        ("NetworkInterfaceId", "eni-0eeeeeeeeeeeeeeee"),
        ("LocalGatewayId", "lgw-0a1b2c3d4e5f60718"),
        ("CoreNetworkArn", "arn:aws:networkmanager::111122223333:core-network/core-network-0a1b2c3d4e5f60718"),
        ("CarrierGatewayId", "cagw-0a1b2c3d4e5f60718"),
    ]);
    let state = vpc.pick(&["active", "active", "active", "active", "active", "blackhole", "filtered"]);
    let mut value = json!({target: id, "State": state, "Origin": "CreateRoute"});
    match vpc.random.below(6) {
        // The same destination as a static route's, learnt from a virtual private gateway.
        0 => {
            let other = &others[vpc.random.below(others.len())];
            for key in ["DestinationCidrBlock", "DestinationIpv6CidrBlock"] {
                if let Some(destination) = other.get(key) {
                    value[key] = destination.clone();
                }
            }
            if value.get("DestinationCidrBlock").is_none() && value.get("DestinationIpv6CidrBlock").is_none() {
                value["DestinationCidrBlock"] = vpc.near(false).into();
            }
            let gateway =
                json!({"GatewayId": "vgw-0a1b2c3d4e5f60718", "State": state, "Origin": "EnableVgwRoutePropagation"});
            value.as_object_mut().unwrap().remove(target);
            value.as_object_mut().unwrap().extend(gateway.as_object().unwrap().clone());
        }
        1 | 2 => value["DestinationPrefixListId"] = vpc.pick(&LISTS).into(),
        3 => value["DestinationIpv6CidrBlock"] = vpc.near(true).into(),
        _ => value["DestinationCidrBlock"] = vpc.near(false).into(),
    }
    value
}

/// A table that steers what comes in: straight on, or by way of an appliance.
fn at_the_gateway(vpc: &mut Vpc) -> Value {
    let mut association = json!({"Main": false, "GatewayId": vpc.pick(&GATEWAYS)});
    state(vpc, &mut association);
    let mut routes = vec![
        route("DestinationCidrBlock", "10.0.0.0/16", "GatewayId", "local"),
        route("DestinationIpv6CidrBlock", "2001:db8:12:3400::/56", "GatewayId", "local"),
    ];
    for (key, net) in [
        ("DestinationCidrBlock", "10.0.1.0/24"),
        ("DestinationCidrBlock", "10.0.2.0/24"),
        ("DestinationIpv6CidrBlock", "2001:db8:12:3401::/64"),
    ] {
        if vpc.one_in(2) {
            let (target, id) = vpc.pick(&[
                ("GatewayId", "vpce-0a1b2c3d4e5f60718"),
                ("NetworkInterfaceId", "eni-0eeeeeeeeeeeeeeee"),
                ("GatewayId", "local"),
            ]);
            routes.push(route(key, net, target, id));
        }
    }
    json!({"RouteTableId": "rtb-00000000000000009", "VpcId": VPC, "Associations": [association], "Routes": routes})
}

fn internet_gateways(vpc: &mut Vpc) {
    let own = match vpc.random.below(16) {
        0 => json!([]),
        1 => json!([{"State": "detaching", "VpcId": VPC}]),
        2 => json!([{"State": "attaching", "VpcId": VPC}]),
        3 => json!([{"State": "available", "VpcId": OTHER_VPC}]),
        4 => json!([{"State": "attached", "VpcId": VPC}]),
        _ => json!([{"State": "available", "VpcId": VPC}]),
    };
    let mut gateways = vec![json!({"InternetGatewayId": GATEWAYS[0], "Attachments": own})];
    if vpc.one_in(12) {
        gateways.clear();
    }
    if vpc.one_in(2) {
        gateways.push(
            json!({"InternetGatewayId": GATEWAYS[1], "Attachments": [{"State": "available", "VpcId": OTHER_VPC}]}),
        );
    }
    vpc.random.shuffle(&mut gateways);
    vpc.answer("ec2-describe-internet-gateways", json!({"InternetGateways": gateways}));
}

fn public_access(vpc: &mut Vpc) {
    let mode = vpc.pick(&["off", "off", "off", "off", "block-bidirectional", "block-ingress"]);
    let options = json!({"AwsAccountId": ACCOUNT, "State": "update-complete", "InternetGatewayBlockMode": mode, "ManagedBy": "account"});
    vpc.answer("ec2-describe-vpc-block-public-access-options", json!({"VpcBlockPublicAccessOptions": options}));
    let mut exclusions: Vec<Value> = Vec::new();
    for _ in 0..vpc.pick(&[0, 1, 1, 1, 2, 3]) {
        let resource = vpc
            .pick(&[
                format!("vpc/{VPC}").as_str(),
                format!("subnet/{}", SUBNETS[0]).as_str(),
                format!("subnet/{}", SUBNETS[1]).as_str(),
                format!("vpc/{OTHER_VPC}").as_str(),
            ])
            .to_owned();
        let mode = vpc.pick(&["allow-bidirectional", "allow-bidirectional", "allow-egress"]);
        let state = vpc.pick(&[
            "create-complete",
            "create-complete",
            "update-complete",
            "create-in-progress",
            "create-failed",
            "delete-complete",
            "disable-complete",
        ]);
        exclusions.push(json!({
            "ExclusionId": "vpcbpa-exclude-0a1b2c3d4e5f60718",
            "InternetGatewayExclusionMode": mode,
            "ResourceArn": format!("arn:aws:ec2:{}:{ACCOUNT}:{resource}", vpc.region),
            "State": state,
        }));
    }
    vpc.answer(
        "ec2-describe-vpc-block-public-access-exclusions",
        json!({"VpcBlockPublicAccessExclusions": exclusions}),
    );
}
