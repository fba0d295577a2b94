//! A run against an AWS that refuses, hangs, or answers odd things.

use std::time::Duration;

use eic_doctor_proto::{Attempt, Fact, Via, Why};

use super::Budget;
use super::courier::Pace;
use super::operations::ACTIONS;
use super::quotes;
use super::run::{Gathered, Question, gather};
use super::testing::{ACCOUNT, Fake, ID, question, succeeded, under_way};
use crate::facts::{ContextEntry, Facts, Simulation};

const PACE: Pace = Pace { first: Duration::ZERO, longest: Duration::ZERO, times: 5 };

async fn run_with(fake: &Fake, question: &Question) -> Gathered {
    gather(fake, question, &Budget::of(Duration::from_secs(3600)), &PACE).await
}

async fn run(fake: &Fake) -> Facts {
    run_with(fake, &question()).await.facts
}

/// Not through an endpoint, so that the push alone is simulated.
async fn run_directly(fake: &Fake) -> Facts {
    let mut question = question();
    question.attempt.via = Via::Private;
    run_with(fake, &question).await.facts
}

/// The reason of every fact that is unreadable, with its missing action.
fn unreadable(facts: &Facts) -> Vec<(&'static str, Why)> {
    fn why<T>(fact: &Fact<T>) -> Option<Why> {
        match fact {
            Fact::Unreadable(why) => Some(why.clone()),
            _ => None,
        }
    }
    let aws = &facts.aws;
    let entries = aws.prefix_list_entries.values().find_map(why);
    let all = [
        ("instance", why(&aws.instance)),
        ("instance_owner_id", why(&aws.instance_owner_id)),
        ("instance_status", why(&aws.instance_status)),
        ("image", why(&aws.image)),
        ("regions", why(&aws.regions)),
        ("availability_zones", why(&aws.availability_zones)),
        ("subnets", why(&aws.subnets)),
        ("security_groups", why(&aws.security_groups)),
        ("network_acls", why(&aws.network_acls)),
        ("route_tables", why(&aws.route_tables)),
        ("internet_gateways", why(&aws.internet_gateways)),
        ("instance_connect_endpoints", why(&aws.instance_connect_endpoints)),
        ("endpoint_interfaces", why(&aws.endpoint_interfaces)),
        ("tunnel_simulation", why(&aws.tunnel_simulation)),
        ("describe_simulation", why(&aws.describe_simulation)),
        ("context_keys", why(&aws.context_keys)),
        ("block_public_access", why(&aws.block_public_access)),
        ("block_public_access_exclusions", why(&aws.block_public_access_exclusions)),
        ("managed_prefix_lists", why(&aws.managed_prefix_lists)),
        ("prefix_list_entries", entries),
        ("caller", why(&aws.caller)),
        ("principal_arn", why(&aws.principal_arn)),
        ("simulation", why(&aws.simulation)),
        ("managed_node", why(&aws.managed_node)),
        ("pushes", why(&aws.pushes)),
        ("tunnels", why(&aws.tunnels)),
        ("os", why(&facts.os)),
    ];
    all.into_iter().filter_map(|(name, why)| why.map(|why| (name, why))).collect()
}

#[tokio::test]
async fn every_call_is_made_once_and_nothing_is_missing() {
    let fake = Fake::healthy();
    let gathered = run_with(&fake, &question()).await;
    assert_eq!(unreadable(&gathered.facts), []);
    assert!(gathered.complete);
    for action in ACTIONS {
        let expected = match *action {
            // For what the client looks up, for the push, and for the tunnel of the endpoint that `auto` chooses here.
            "iam:SimulatePrincipalPolicy" => 3,
            // Of the service, and the customer's two.
            "ec2:GetManagedPrefixListEntries" => 3,
            "ssm:GetCommandInvocation" => 3,
            // Of pushes, and of the tunnels that `auto` may need.
            "cloudtrail:LookupEvents" => 2,
            // Only a principal whose path is not known needs them.
            "iam:GetRole" | "iam:GetUser" => 0,
            // Only an instance that nobody can look into.
            "ec2:GetConsoleOutput" | "iam:GetInstanceProfile" => 0,
            // Only where something is denied.
            action if quotes::ACTIONS.contains(&action) => 0,
            _ => 1,
        };
        assert_eq!(fake.count(action), expected, "{action}");
    }
    assert!(gathered.notes[0].contains("SSM Run Command (command-1)"), "{:?}", gathered.notes);
}

#[tokio::test]
async fn each_refused_call_leaves_its_own_facts_unreadable_and_names_the_action() {
    for action in ACTIONS {
        let mut fake = Fake::healthy();
        fake.refuse.insert(action, "UnauthorizedOperation");
        let is_asked_seldom =
            ["iam:GetRole", "iam:GetUser", "iam:GetInstanceProfile", "ec2:GetConsoleOutput"].contains(action);
        if is_asked_seldom || quotes::ACTIONS.contains(action) {
            continue;
        }
        let found = unreadable(&run(&fake).await);
        assert!(!found.is_empty(), "{action}");
        for (name, why) in found {
            assert_eq!(why.missing_action.as_deref(), Some(*action), "{action}: {name}: {}", why.reason);
        }
    }
}

#[tokio::test]
async fn with_everything_refused_nothing_is_known_but_the_region() {
    let mut fake = Fake::healthy();
    fake.refuse = ACTIONS.iter().map(|action| (*action, "AccessDenied")).collect();
    let facts = run(&fake).await;
    let found = unreadable(&facts);
    assert_eq!(found.len(), 24, "{found:#?}");
    assert!(found.iter().all(|(_, why)| why.missing_action.is_some()), "{found:#?}");
    assert_eq!(facts.aws.region, Fact::Known("eu-west-1".into()));
}

#[tokio::test]
async fn an_instance_that_is_not_there_is_absent_and_nothing_is_sent() {
    let mut fake = Fake::healthy();
    fake.refuse.insert("ec2:DescribeInstances", "InvalidInstanceID.NotFound");
    let facts = run(&fake).await;
    assert_eq!(facts.aws.instance, Fact::Absent);
    assert_eq!(fake.count("ssm:SendCommand"), 0);
    // What the principal may look up does not hang on the instance.
    assert_eq!(fake.count("iam:SimulatePrincipalPolicy"), 1);
}

#[tokio::test]
async fn another_instance_in_the_answer_is_not_taken_for_ours() {
    let mut fake = Fake::healthy();
    fake.instance.instance_id = Some("i-00000000000000000".into());
    assert_eq!(run(&fake).await.aws.instance, Fact::Absent);
}

#[tokio::test]
async fn lists_that_a_rule_may_name_are_asked_for_ahead_and_what_nothing_names_is_left_out() {
    let fake = Fake::healthy();
    let facts = run(&fake).await;
    // Not that of CloudFront, which only a rule could make matter.
    assert_eq!(fake.about("ec2:GetManagedPrefixListEntries"), ["pl-other", "pl-own", "pl-service"]);
    let kept: Vec<_> = facts.aws.prefix_list_entries.keys().map(String::as_str).collect();
    assert_eq!(kept, ["pl-own", "pl-service"]);
    let lists = facts.aws.managed_prefix_lists.known().unwrap();
    let kept: Vec<_> = lists.iter().filter_map(|list| list.prefix_list_id.as_deref()).collect();
    assert_eq!(kept, ["pl-service", "pl-own"]);
}

/// How many times a run waits for answers when everything that was asked is answered at once.
async fn round_trips(mut fake: Fake, attempt: Attempt) -> usize {
    fake.waiting = Some(std::sync::Mutex::default());
    let question = Question { attempt, courier: None, ..question() };
    let budget = Budget::of(Duration::from_secs(3600));
    let mut run = std::pin::pin!(gather(&fake, &question, &budget, &PACE));
    let mut trips = 0;
    loop {
        // Twice: tokio may interrupt a task that has had its share.
        for _ in 0..2 {
            if futures_util::poll!(&mut run).is_ready() {
                return trips;
            }
            tokio::task::yield_now().await;
        }
        assert!(fake.answer_all() > 0, "the run waits for nothing");
        trips += 1;
    }
}

#[tokio::test]
async fn every_way_takes_two_round_trips_also_with_prefix_lists_a_session_and_an_endpoint() {
    for via in [Via::Auto, Via::Browser, Via::Public, Via::Private, Via::Endpoint] {
        let attempt = Attempt { via, ..Attempt::usual() };
        assert_eq!(round_trips(Fake::healthy(), attempt.clone()).await, 2, "{via:?}");
        assert_eq!(round_trips(session(), attempt).await, 2, "{via:?}, a session");
    }
}

#[tokio::test]
async fn a_third_round_trip_is_left_for_what_could_not_be_guessed() {
    let attempt = Attempt { via: Via::Endpoint, ..Attempt::usual() };
    let mut fake = session();
    fake.role_arn = format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/ops");
    assert_eq!(round_trips(fake, attempt.clone()).await, 4);

    let unlisted = Fake { prefix_lists: Vec::new(), ..Fake::healthy() };
    assert_eq!(round_trips(unlisted, attempt).await, 3);
}

#[tokio::test]
async fn gateways_of_other_vpcs_are_left_out_and_a_loose_one_that_a_route_names_is_kept() {
    let facts = run(&Fake::healthy()).await;
    let kept: Vec<_> =
        facts.aws.internet_gateways.known().unwrap().iter().filter_map(|g| g.internet_gateway_id.clone()).collect();
    assert_eq!(kept, ["igw-own", "igw-loose"]);
}

#[tokio::test]
async fn a_call_that_hangs_costs_its_own_facts_when_the_time_is_up() {
    let mut fake = Fake::healthy();
    fake.hang = vec!["ec2:DescribeRouteTables", "ssm:GetCommandInvocation"];
    let gathered = gather(&fake, &question(), &Budget::of(Duration::from_millis(50)), &PACE).await;
    assert!(!gathered.complete);
    let found: Vec<_> = unreadable(&gathered.facts).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, ["route_tables", "os"]);
}

#[tokio::test]
async fn the_context_of_the_simulation_holds_user_region_and_tags_and_not_the_source_of_the_connection() {
    let mut question = question();
    question.attempt.via = Via::Public;
    question.attempt.source = Some("203.0.113.7/32".parse().unwrap());
    let gathered = run_with(&Fake::healthy(), &question).await;
    let asked = gathered.facts.aws.simulation.known().unwrap().asked.clone().unwrap();
    let entries: Vec<String> = asked
        .context_entries
        .iter()
        .map(|e| format!("{}={} {}", e.context_key_name, e.context_key_values.join(","), e.context_key_type))
        .collect();
    let expected = [
        "ec2:osuser=ec2-user string",
        "aws:RequestedRegion=eu-west-1 string",
        "aws:CurrentTime=1970-01-01T00:00:00Z date",
        "aws:EpochTime=0 numeric",
        "aws:SecureTransport=true boolean",
        "aws:ResourceTag/env=prod string",
        "ec2:ResourceTag/env=prod string",
    ];
    assert_eq!(entries, expected);
    assert_eq!(asked.resource_arns, [format!("arn:aws:ec2:eu-west-1:{ACCOUNT}:instance/{ID}")]);
}

#[tokio::test]
async fn what_the_user_tells_of_the_requests_is_told_in_every_question_and_in_place_of_our_own() {
    let told = |name: &str, value: &str| ContextEntry {
        context_key_name: name.into(),
        context_key_values: vec![value.into()],
        context_key_type: "string".into(),
    };
    let mut question = question();
    question.attempt.via = Via::Endpoint;
    question.context = vec![told("aws:SourceIp", "203.0.113.7"), told("EC2-Instance-Connect:maxTunnelDuration", "600")];
    let aws = run_with(&Fake::healthy(), &question).await.facts.aws;
    let asked = |simulation: &Fact<Simulation>| {
        let entries = simulation.known().unwrap().asked.clone().unwrap().context_entries;
        entries
            .into_iter()
            .map(|e| (e.context_key_name.to_ascii_lowercase(), e.context_key_values.join(",")))
            .collect::<Vec<_>>()
    };
    for simulation in [&aws.simulation, &aws.tunnel_simulation, &aws.describe_simulation] {
        let entries = asked(simulation);
        assert!(entries.contains(&("aws:sourceip".into(), "203.0.113.7".into())), "{entries:?}");
        let durations: Vec<_> = entries.iter().filter(|(key, _)| key.ends_with("maxtunnelduration")).collect();
        assert_eq!(durations, [&("ec2-instance-connect:maxtunnelduration".into(), "600".into())]);
    }
}

#[tokio::test]
async fn the_keys_that_the_policies_read_are_asked_for_once_and_their_refusal_costs_nothing_else() {
    let mut fake = Fake::healthy();
    fake.refuse.insert("iam:GetContextKeysForPrincipalPolicy", "AccessDenied");
    let facts = run(&fake).await;
    assert_eq!(fake.count("iam:GetContextKeysForPrincipalPolicy"), 1);
    assert_eq!(unreadable(&facts).into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["context_keys"]);
}

#[tokio::test]
async fn a_principal_that_is_named_is_asked_about_in_the_first_round_trip() {
    let mut fake = Fake::healthy();
    fake.waiting = Some(std::sync::Mutex::default());
    let mut question = Question { courier: None, ..question() };
    question.attempt.principal = Some(fake.role_arn.clone());
    let budget = Budget::of(Duration::from_secs(3600));
    let mut run = std::pin::pin!(gather(&fake, &question, &budget, &PACE));
    assert!(futures_util::poll!(&mut run).is_pending());
    assert_eq!(fake.about("iam:GetContextKeysForPrincipalPolicy"), [fake.role_arn.clone()]);
    assert_eq!(fake.about("iam:SimulatePrincipalPolicy"), [fake.role_arn.clone()]);
}

fn session() -> Fake {
    Fake { caller: format!("arn:aws:sts::{ACCOUNT}:assumed-role/ops/me"), ..Fake::healthy() }
}

#[tokio::test]
async fn a_session_of_a_role_without_a_path_is_simulated_once() {
    let fake = session();
    let facts = run_directly(&fake).await;
    assert_eq!(facts.aws.principal_arn, Fact::Known(fake.role_arn.clone()));
    // For what the client looks up, and for the push.
    assert_eq!(fake.count("iam:SimulatePrincipalPolicy"), 2);
}

#[tokio::test]
async fn a_session_of_identity_center_is_never_guessed_to_have_no_path() {
    let mut fake = Fake {
        caller: format!("arn:aws:sts::{ACCOUNT}:assumed-role/AWSReservedSSO_Ops_0123456789abcdef/ann@example.com"),
        ..Fake::healthy()
    };
    fake.role_arn = format!(
        "arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Ops_0123456789abcdef"
    );
    let facts = run_directly(&fake).await;
    assert_eq!(facts.aws.principal_arn, Fact::Known(fake.role_arn.clone()));
    assert_eq!(fake.about("iam:SimulatePrincipalPolicy"), [fake.role_arn.clone(), fake.role_arn.clone()]);

    fake.refuse.insert("iam:GetRole", "AccessDenied");
    let found = unreadable(&run_directly(&fake).await);
    assert!(found.iter().all(|(_, why)| why.missing_action.as_deref() == Some("iam:GetRole")), "{found:?}");
}

#[tokio::test]
async fn a_session_of_a_role_with_a_path_is_simulated_again_with_the_path() {
    let mut fake = session();
    fake.role_arn = format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/ops");
    let facts = run_directly(&fake).await;
    assert_eq!(facts.aws.principal_arn, Fact::Known(fake.role_arn.clone()));
    assert!(facts.aws.simulation.known().is_some());
    assert!(facts.aws.describe_simulation.known().is_some());
    // Both for the guess, and both for the role.
    assert_eq!(fake.count("iam:SimulatePrincipalPolicy"), 4);
}

#[tokio::test]
async fn without_get_role_the_guess_holds_when_the_simulator_knows_it_and_else_the_action_is_named() {
    let mut fake = session();
    fake.refuse.insert("iam:GetRole", "AccessDenied");
    assert_eq!(run(&fake).await.aws.principal_arn, Fact::Known(fake.role_arn.clone()));

    fake.role_arn = format!("arn:aws:iam::{ACCOUNT}:role/aws-reserved/ops");
    let found = unreadable(&run_directly(&fake).await);
    let named: Vec<_> = found.iter().map(|(name, why)| (*name, why.missing_action.as_deref())).collect();
    let asked_in_vain =
        ["describe_simulation", "context_keys", "principal_arn", "simulation"].map(|name| (name, Some("iam:GetRole")));
    assert_eq!(named, asked_in_vain);
}

#[tokio::test]
async fn a_user_given_without_its_path_is_found_by_name() {
    let mut question = question();
    question.attempt.principal = Some(format!("arn:aws:iam::{ACCOUNT}:user/bob"));
    let facts = run_with(&Fake::healthy(), &question).await.facts;
    assert_eq!(facts.aws.principal_arn, Fact::Known(format!("arn:aws:iam::{ACCOUNT}:user/path/bob")));
}

#[tokio::test]
async fn root_federated_users_and_other_accounts_cannot_be_simulated_and_the_reason_says_so() {
    for (caller, word) in [
        (format!("arn:aws:iam::{ACCOUNT}:root"), "root user"),
        (format!("arn:aws:sts::{ACCOUNT}:federated-user/bob"), "federated user"),
        ("arn:aws:iam::999999999999:user/bob".to_owned(), "another account"),
        ("arn:aws:iam::aws:policy/x".to_owned(), "neither a user nor a role"),
        (format!("arn:aws:sts::{ACCOUNT}:assumed-role/AWSServiceRoleForAutoScaling/x"), "service-linked role"),
        (
            format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/ec2.amazonaws.com/AWSServiceRoleForEC2"),
            "service-linked role",
        ),
    ] {
        let fake = Fake { caller, ..Fake::healthy() };
        let found = unreadable(&run_directly(&fake).await);
        let names: Vec<_> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["describe_simulation", "context_keys", "principal_arn", "simulation"]);
        assert!(found.iter().all(|(_, why)| why.reason.contains(word)), "{found:?}");
        assert_eq!(fake.count("iam:SimulatePrincipalPolicy"), 0);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_an_instance_that_cannot_answer() {
    let node = |ping: &str, platform: &str| {
        let mut node = Fake::healthy().node.unwrap();
        (node.ping_status, node.platform_type) = (Some(ping.into()), Some(platform.into()));
        Some(node)
    };
    for (node, state, word) in [
        (None, "running", "not a managed node"),
        (node("ConnectionLost", "Linux"), "running", "ConnectionLost"),
        (node("Online", "Windows"), "running", "Windows"),
        (node("Online", "Linux"), "stopped", "stopped"),
    ] {
        let mut fake = Fake { node, ..Fake::healthy() };
        fake.instance.state.as_mut().unwrap().name = Some(state.into());
        let Fact::Unreadable(why) = run(&fake).await.os else { panic!("{word}") };
        assert!(why.reason.contains(word), "{}", why.reason);
        assert_eq!(fake.count("ssm:SendCommand"), 0);
    }
}

#[tokio::test]
async fn a_list_of_nodes_that_may_not_be_read_does_not_keep_the_command_back() {
    let mut fake = Fake::healthy();
    fake.refuse.insert("ssm:DescribeInstanceInformation", "AccessDeniedException");
    assert!(run(&fake).await.os.known().is_some());

    fake.refuse.insert("ssm:SendCommand", "InvalidInstanceId");
    let Fact::Unreadable(why) = run(&fake).await.os else { panic!() };
    assert!(why.reason.contains("does not manage"), "{}", why.reason);
}

#[tokio::test]
async fn a_command_that_never_ends_is_given_up_and_a_cut_answer_is_noticed() {
    let mut cut = succeeded();
    cut.standard_output.truncate(40);
    for (invocations, word) in [(vec![Ok(under_way())], "InProgress"), (vec![Ok(cut)], "cut")] {
        let fake = Fake { invocations, ..Fake::healthy() };
        let Fact::Unreadable(why) = run(&fake).await.os else { panic!("{word}") };
        assert!(why.reason.contains(word), "{}", why.reason);
    }
}

#[tokio::test]
async fn the_script_asks_for_the_attempt_and_for_nothing_else() {
    let fake = Fake::healthy();
    run_with(&fake, &Question { attempt: Attempt { port: 2222, ..Attempt::usual() }, ..question() }).await;
    assert!(fake.about("ssm:SendCommand")[0].contains("eic_port=2222"));
}
