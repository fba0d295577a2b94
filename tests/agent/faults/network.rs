use eic_doctor_proto::Fact;

use super::super::facts::ImdsView;
use super::healthy;
use super::{Fault, known};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "a tunnel's route takes the replies",
        world: healthy::al2023,
        break_it: |facts, _| {
            let routes = known(&mut facts.network.routes);
            let mut half = routes[0].clone();
            (half.destination, half.gateway) = ("128.0.0.0/1".parse().expect("an address"), None);
            half.interfaces = vec!["tun0".into()];
            routes.push(half);
        },
        changes: &["os.network.return-route fail"],
    },
    Fault {
        name: "the second interface is dialled and has no table",
        world: healthy::al2,
        break_it: |facts, attempt| {
            let addresses = known(&mut facts.network.addresses);
            let mut second = addresses[0].clone();
            (second.interface, second.address) = ("eth1".into(), "10.0.2.9/24".parse().expect("an address"));
            addresses.push(second);
            attempt.address = Some("10.0.2.9".parse().expect("an address"));
        },
        changes: &["os.network.return-route fail"],
    },
    Fault {
        name: "no default route",
        world: healthy::ubuntu_2204,
        break_it: |facts, _| {
            known(&mut facts.network.routes).retain(|route| route.destination.prefix_len() > 0);
            for view in [&mut facts.imds.as_root, &mut facts.imds.as_keys_user] {
                let (token, region) = (Fact::unreadable("network is unreachable"), view.region.clone());
                *view = ImdsView { token, region, ..ImdsView::default() };
            }
        },
        changes: &[
            "os.imds.token unknown",
            "os.imds.token-as-keys-user unknown",
            "os.imds.instance-id unknown",
            "os.imds.availability-zone unknown",
            "os.imds.domain unknown",
            "os.imds.time-budget unknown",
            "os.imds.pushed-keys unknown",
            "os.host.identity unknown",
            "os.trust.clock unknown",
            "os.trust.signer unknown",
            "os.network.return-route fail",
        ],
    },
    Fault {
        name: "packets to link-local services were dropped",
        world: healthy::ubuntu_2404,
        break_it: |facts, _| known(&mut facts.network.link_local_allowance).exceeded = 4_711,
        changes: &["os.network.link-local-allowance warn"],
    },
];
