use eic_doctor_proto::Attempt;

use super::*;
use crate::gather::testing::{ACCOUNT, Fake};

/// Looks at all of the fake's instances; the facts' own ids in order, and the refusal, if any.
async fn looked(fake: &Fake) -> (Vec<String>, Option<Refused>) {
    let mut seen = Vec::new();
    let caller = CallerIdentity { account: Some(ACCOUNT.into()), arn: Some(fake.caller.clone()), user_id: None };
    let attempt = Attempt::usual();
    let order = Order {
        region: "eu-west-1",
        attempt: &attempt,
        wanted: &[Filters::default()],
        context: &[],
        now: std::time::UNIX_EPOCH,
        ip_ranges: &Fact::NotGathered,
        caller: Fact::Known(caller),
        asked_with: AskedWith::default(),
        whose: Whose::TheAttempts,
        is_read: fn_is_read::IsRead(&|_| true),
    };
    let judge = |facts: &Facts| {
        let instance = facts.aws.instance.known().unwrap();
        let id = instance.instance_id.clone().unwrap();
        assert_eq!(
            facts.aws.instance_status.known().map(|status| status.instance_id.clone().unwrap()),
            Some(id.clone())
        );
        assert_eq!(facts.aws.managed_node.known().map(|node| node.instance_id.clone().unwrap()), Some(id.clone()));
        assert_eq!(facts.aws.security_groups.known().map(Vec::len), Some(1));
        seen.push(id);
    };
    let refused =
        look(fake, &Budget::of(std::time::Duration::from_mins(10)), &order, &FromOutside, judge, || {}).await.err();
    (seen, refused)
}

fn ec2_calls(fake: &Fake) -> usize {
    fake.made.lock().unwrap().iter().filter(|(action, _)| action.starts_with("ec2:")).count()
}

#[tokio::test]
async fn each_instance_is_judged_once_with_its_own_facts_and_calls_are_pages() {
    let mut fake = Fake::healthy();
    fake.fleet = 3500;
    let (seen, refused) = looked(&fake).await;
    assert!(refused.is_none());
    assert_eq!(seen, (0..3500).map(|number| format!("i-{number:017x}")).collect::<Vec<_>>());
    assert_eq!((fake.count("ec2:DescribeInstances"), fake.count("ec2:DescribeInstanceStatus")), (4, 4));
    assert_eq!(fake.count("ssm:DescribeInstanceInformation"), 3500 / 50);
    // The first question about one instance, what the principal may look up, a hundred instances with the same tags a call, and two
    // about the one endpoint.
    assert_eq!(fake.count("iam:SimulatePrincipalPolicy"), 1 + 1 + 35 + 2);
    assert!(ec2_calls(&fake) < 30, "{}", ec2_calls(&fake));
}

#[tokio::test]
async fn a_hundred_thousand_instances_take_at_most_700_calls_of_ec2() {
    let mut fake = Fake::healthy();
    fake.fleet = 100_000;
    let (seen, refused) = looked(&fake).await;
    assert_eq!((seen.len(), refused.is_none()), (100_000, true));
    assert!(ec2_calls(&fake) <= 700, "{} calls", ec2_calls(&fake));
}

#[tokio::test]
async fn a_list_that_is_refused_costs_its_own_facts_and_the_instances_themselves_end_the_region() {
    let mut fake = Fake::healthy();
    fake.fleet = 2500;
    fake.refuse.insert("ec2:DescribeRouteTables", "RequestLimitExceeded");
    let (seen, refused) = looked(&fake).await;
    assert_eq!((seen.len(), refused.is_none()), (2500, true));
    fake.refuse.insert("ec2:DescribeInstances", "RequestLimitExceeded");
    let (seen, refused) = looked(&fake).await;
    assert_eq!((seen.len(), refused.unwrap().action), (0, "ec2:DescribeInstances"));
}
