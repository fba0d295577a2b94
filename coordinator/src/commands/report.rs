//! Facts to a report. Pure.

use eic_doctor_proto::{Attempt, Fact, Report, Scope, Selection, Subject, Tool, judge, visible};

use crate::facts::Facts;
use crate::{checks, path};

/// The report on `facts` for `attempt`, whose `auto` is resolved here.
pub(super) fn report_on(facts: &Facts, attempt: &Attempt, selection: &Selection, started: String) -> Report {
    let attempt = path::resolve(attempt, &facts.aws.instance);
    let results = judge(checks::entries(facts, &path::with_known_sources(&facts.aws, &attempt)), selection);
    let tool = Tool { name: "eic-doctor".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let network = path::evaluate(&facts.aws, &attempt);
    let report = Report::of(tool, Scope::Whole, subject(facts), attempt, started, results);
    report.with_path(network)
}

pub(super) fn subject(facts: &Facts) -> Subject {
    let aws = &facts.aws;
    let instance = aws.instance.known();
    let plain = |text: &Option<String>| text.as_deref().map(|text| visible(text).into_owned());
    let tags = instance.map(|instance| instance.tags.as_slice()).unwrap_or_default();
    let caller = aws.caller.known();
    Subject {
        instance_id: instance.and_then(|instance| plain(&instance.instance_id)),
        name: tags.iter().find(|tag| tag.key.as_deref() == Some("Name")).and_then(|tag| plain(&tag.value)),
        account_id: aws
            .instance_owner_id
            .known()
            .map(|id| visible(id).into_owned())
            .or_else(|| caller.and_then(|caller| plain(&caller.account))),
        region: aws.region.known().map(|region| visible(region).into_owned()),
        availability_zone: instance
            .and_then(|instance| instance.placement.as_ref())
            .and_then(|placement| plain(&placement.availability_zone)),
        vpc_id: instance.and_then(|instance| plain(&instance.vpc_id)),
        subnet_id: instance.and_then(|instance| plain(&instance.subnet_id)),
        image_id: instance.and_then(|instance| plain(&instance.image_id)),
        platform: instance.and_then(|instance| plain(&instance.platform_details)),
        operating_system: operating_system(facts),
    }
}

/// From the instance itself, else from Systems Manager.
fn operating_system(facts: &Facts) -> Option<String> {
    let release = match &facts.os {
        Fact::Known(os) => os.system.os_release.known(),
        _ => None,
    };
    let own = release.map(|release| release.pretty_name.to_string()).filter(|name| !name.is_empty());
    own.or_else(|| {
        let node = facts.aws.managed_node.known()?;
        let name = node.platform_name.as_deref()?;
        let version = node.platform_version.as_deref().unwrap_or_default();
        Some(visible(format!("{name} {version}").trim_end()).into_owned())
    })
}
