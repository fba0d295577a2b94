//! `eic-doctor fleet` over HTTP with thousands of instances in two accounts and two Regions: exact root causes, counted calls, AWS's own
//! token buckets, and what is left where an account refuses, a Region throttles, a connection is cut or the user interrupts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lab::{Run, doctor, lab, root, run};

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
const SOURCE: &str = "203.0.113.7";

/// How the lab makes an instance of each kind, how many there are of a hundred, and what must be found.
const KINDS: [(&str, usize, &[&str]); 10] = [
    ("healthy", 60, &[]),
    ("closed-group", 8, &["aws.network.security-group-ingress"]),
    ("other-source", 4, &["aws.network.security-group-ingress"]),
    ("no-route", 8, &["aws.network.route-to-source"]),
    ("network-acl", 4, &["aws.network.network-acl-inbound"]),
    ("no-route-and-closed", 4, &["aws.network.route-to-source", "aws.network.security-group-ingress"]),
    ("no-address", 4, &["aws.instance.address"]),
    ("stopped", 4, &["aws.instance.running"]),
    // Warned of: a system that is ill may still let somebody in.
    ("impaired", 2, &[]),
    ("no-metadata", 2, &["aws.instance.metadata-endpoint"]),
];

fn accounts(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Accounts that no other test uses.
struct Fleet {
    accounts: Vec<String>,
    regions: &'static [&'static str],
    key: String,
    folder: TempDir,
    /// Instance → its kind.
    made: BTreeMap<String, String>,
}

impl Fleet {
    fn of(accounts: Vec<String>) -> Self {
        let folder = TempDir::new().unwrap();
        let lines: String = accounts.iter().map(|account| format!("{account}\n")).collect();
        fs::write(folder.path().join("accounts"), lines).unwrap();
        let key = format!("AKIA{}", accounts[0]);
        Self { accounts, regions: &REGIONS, key, folder, made: BTreeMap::new() }
    }

    /// As many of each kind as `counts` says, in one account and Region.
    fn add(&mut self, account: &str, region: &str, counts: &Value) {
        let order = json!({ "account": account, "region": region, "kinds": counts });
        let made = lab().control("POST", "/fleet", &order);
        for (kind, ids) in made["by_kind"].as_object().unwrap() {
            self.made.extend(ids.as_array().unwrap().iter().map(|id| (id.as_str().unwrap().to_owned(), kind.clone())));
        }
    }

    /// All kinds, in every account and Region: a hundred instances in eight eighths.
    fn fill(mut self, eighths: usize) -> Self {
        let counts: Value =
            KINDS.iter().map(|(kind, share, _)| ((*kind).to_owned(), json!(share * eighths / 8))).collect();
        for account in self.accounts.clone() {
            for region in REGIONS {
                self.add(&account, region, &counts);
            }
            self.rules(&account, &json!([{ "action": "ec2:*", "answer": "bucket" }]));
        }
        self
    }

    /// What is done to the calls in this account.
    fn rules(&self, account: &str, rules: &Value) {
        lab().control("POST", "/aws", &json!({ "account": account, "rules": rules }));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = doctor();
        let environment = lab().control("GET", "/env", &Value::Null);
        for (name, value) in environment.as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        command.env("AWS_ACCESS_KEY_ID", &self.key);
        command.args(["fleet", "--via", "public", "--source", SOURCE, "--role-name", "audit", "--regions"]);
        command.args(self.regions).args(arguments);
        if !arguments.contains(&"--organization") {
            command.arg("--accounts").arg(self.folder.path().join("accounts"));
        }
        command
    }

    /// The environment of a session in the account.
    fn session(&self, account: &str) -> Vec<(&'static str, String)> {
        let role = format!("arn:aws:iam::{account}:role/audit");
        let order = ["sts", "assume-role", "--role-arn", &role, "--role-session-name", "test"];
        let answer = self.asked(&order, &[]);
        let keys = [
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ];
        keys.map(|(name, key)| (name, answer["Credentials"][key].as_str().unwrap().to_owned())).to_vec()
    }

    /// One call of the real AWS CLI with the fleet's own key, and one value of its answer.
    fn aws(&self, arguments: &[&str], value: &str) -> String {
        self.asked(arguments, &[]).pointer(value).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The answer of one call of the real AWS CLI.
    fn asked(&self, arguments: &[&str], environment: &[(&str, String)]) -> Value {
        let mut command = Command::new("bash");
        command.arg(root().join("tests/lab/aws-cli")).args(arguments).args([
            "--output",
            "json",
            "--region",
            "us-east-1",
        ]);
        let own: Vec<_> =
            self.command(&[]).get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
        let given = environment.iter().map(|(name, value)| (name, value));
        let output = command.env_clear().envs(own).envs(given).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn look(&self, arguments: &[&str]) -> Run {
        run(self.command(arguments))
    }

    /// Calls by action, account and Region, as the other side counted them.
    fn calls(&self) -> BTreeMap<(String, String, String), u64> {
        let counted = lab().control("GET", "/aws/counts", &Value::Null);
        let text = |count: &Value, name: &str| count[name].as_str().unwrap().to_owned();
        let ours = counted.as_array().unwrap().iter().filter(|count| self.accounts.contains(&text(count, "account")));
        ours.map(|count| {
            assert_eq!(count["throttled"], json!(0), "{count}");
            ((text(count, "action"), text(count, "account"), text(count, "region")), count["calls"].as_u64().unwrap())
        })
        .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every instance has exactly the root causes of its kind.
    fn expect(&self, report: &Value) {
        let instances = report["instances"].as_array().unwrap();
        let mut wrong = Vec::new();
        for instance in instances {
            let id = instance["subject"]["instance_id"].as_str().unwrap();
            let Some(made) = self.made.get(id) else {
                wrong.push(format!("{id}: this test made no such instance: {}", instance["subject"]));
                continue;
            };
            let (kind, _, causes) = KINDS.iter().find(|(kind, _, _)| kind == made).unwrap();
            let mut found: Vec<&str> =
                instance["root_causes"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
            found.sort_unstable();
            if found != *causes {
                wrong.push(format!("{id}: {kind}: {found:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} are wrong: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for account in self.accounts.iter().filter(|_| !std::thread::panicking()) {
            lab().control("DELETE", &format!("/aws?account={account}"), &Value::Null);
            for region in REGIONS {
                lab().control("DELETE", &format!("/fleet?account={account}&region={region}"), &Value::Null);
            }
        }
    }
}

/// How many instances fail by each check, as they were made.
fn expected_causes(fleet: &Fleet) -> BTreeMap<String, u64> {
    let mut counted = BTreeMap::new();
    for kind in fleet.made.values() {
        for cause in KINDS.iter().find(|(name, _, _)| name == kind).unwrap().2 {
            *counted.entry((*cause).to_owned()).or_default() += 1;
        }
    }
    counted
}

fn told_causes(summary: &Value) -> BTreeMap<String, u64> {
    let causes = summary["root_causes"].as_array().unwrap().iter();
    causes.map(|cause| (cause["id"].as_str().unwrap().to_owned(), cause["instances"].as_u64().unwrap())).collect()
}

/// Those whose number is that of the instances by a page; all others must not grow.
const PAGED: [&str; 4] = [
    "ec2:DescribeInstances",
    "ec2:DescribeInstanceStatus",
    "ssm:DescribeInstanceInformation",
    "iam:SimulatePrincipalPolicy",
];
/// Values of the tag that the pusher's policy reads, so that there are so many questions about all instances.
const STAGES: u64 = 3;

/// A role in the fleet's first account whose policy reads a tag of the instances.
fn pusher(fleet: &Fleet) -> String {
    let document = |statement: Value| json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    let trust = document(json!({ "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }));
    let may = document(json!({
        "Effect": "Allow", "Action": ["ec2-instance-connect:SendSSHPublicKey", "ec2:Describe*"], "Resource": "*",
        "Condition": { "StringLikeIfExists": { "aws:ResourceTag/Stage": ["one", "two", "three"] } },
    }));
    let session = fleet.session(&fleet.accounts[0]);
    fleet.asked(&["iam", "create-role", "--role-name", "pusher", "--assume-role-policy-document", &trust], &session);
    let put = ["iam", "put-role-policy", "--role-name", "pusher", "--policy-name", "push", "--policy-document", &may];
    fleet.asked(&put, &session);
    format!("arn:aws:iam::{}:role/pusher", fleet.accounts[0])
}

/// In the principal's own account the answer is known of every instance; in the other nobody was asked.
fn expect_pushes(report: &Value, own: &str) {
    let id = "aws.iam.send-ssh-public-key";
    for instance in report["instances"].as_array().unwrap() {
        let findings = instance["findings"].as_array().unwrap();
        let push = findings.iter().find(|finding| finding["id"] == id);
        let account = instance["subject"]["account_id"].as_str().unwrap();
        match push {
            None => assert_eq!(account, own, "{instance}"),
            Some(push) => {
                assert_eq!((push["status"].as_str(), account == own), (Some("unknown"), false), "{push}");
            }
        }
    }
}

#[test]
fn five_thousand_instances_cost_their_pages_and_a_number_of_calls_that_does_not_grow() {
    let mut all = Vec::new();
    for (ids, eighths) in [(["100000000001", "100000000002"], 10), (["100000000003", "100000000004"], 100)] {
        let fleet = Fleet::of(accounts(&ids)).fill(eighths);
        let principal = pusher(&fleet);
        let found = fleet.look(&["--output", "json", "--principal", &principal]);
        assert_eq!((found.code, found.stderr.as_str()), (1, ""), "{}", found.stdout);
        let report = found.report();
        fleet.expect(&report);
        let summary = &report["summary"];
        expect_pushes(&report, &fleet.accounts[0]);
        let made = fleet.made.len() as u64;
        assert_eq!((&summary["instances"], &summary["complete"]), (&json!(made), &json!(true)));
        assert_eq!(told_causes(summary), expected_causes(&fleet));
        assert!(summary["calls"].as_array().unwrap().iter().all(|calls| calls["throttled"] == json!(0)), "{summary}");
        let calls = fleet.calls();
        let (pages, others): (Vec<_>, Vec<_>) =
            calls.iter().partition(|((action, _, _), _)| PAGED.contains(&action.as_str()));
        let sum = |of: &[(&(String, String, String), &u64)]| of.iter().map(|(_, calls)| **calls).sum::<u64>();
        println!("{made} instances: {} pages and {} other calls, none throttled", sum(&pages), sum(&others));
        let a_place = made / 4;
        let stopped = fleet.made.values().filter(|kind| *kind == "stopped").count() as u64;
        let running = a_place - stopped / 4;
        for ((action, account, region), calls) in pages {
            let most = match action.as_str() {
                "ssm:DescribeInstanceInformation" => running.div_ceil(50),
                // A hundred instances a question, on each page of instances; the first question of all, and what is looked up.
                "iam:SimulatePrincipalPolicy" => a_place.div_ceil(100) + STAGES * a_place.div_ceil(1000) + 2,
                // A few are asked about by their ids, a hundred at a time.
                "ec2:DescribeInstanceStatus" => a_place.div_ceil(1000).max(a_place.min(1000).div_ceil(100)),
                _ => a_place.div_ceil(1000),
            };
            assert!(*calls <= most, "{action} in {account}, {region}: {calls} calls, {most} pages");
        }
        let others: BTreeMap<_, _> = others
            .into_iter()
            .map(|((action, account, region), calls)| {
                let index = fleet.accounts.iter().position(|id| id == account);
                ((action.clone(), index, region.clone()), *calls)
            })
            .collect();
        all.push(others);
    }
    assert_eq!(all[0], all[1], "the calls that are no pages are the same for ten times the instances");
    assert!(all[0].values().all(|calls| *calls <= 4), "{:?}", all[0]);
}

#[test]
fn what_refuses_throttles_or_is_cut_off_costs_its_own_part_and_is_named() {
    let ids = ["200000000001", "200000000002", "200000000003"];
    let mut fleet = Fleet::of(accounts(&ids));
    for (account, region) in ids.iter().flat_map(|id| REGIONS.map(|region| (*id, region))) {
        fleet.add(account, region, &json!({ "healthy": 30 }));
    }
    let [ours, refusing, throttling] = ids;
    let listing = "ec2:DescribeInstances";
    // Once cut is tried again; cut for ever is a Region that could not be looked at.
    fleet.rules(
        ours,
        &json!([
            { "action": listing, "region": REGIONS[0], "answer": "cut", "times": 1 },
            { "action": listing, "region": REGIONS[1], "answer": "cut" }
        ]),
    );
    let of_refusing = json!({ "RoleArn": format!("*:{refusing}:*") });
    let refused = json!([{ "action": "sts:AssumeRole", "with": of_refusing, "answer": "refuse" }]);
    lab().control("POST", "/aws", &json!({ "access_key": fleet.key, "rules": refused }));
    fleet.rules(throttling, &json!([{ "action": "ec2:*", "region": REGIONS[1], "answer": "throttle" }]));

    let found = fleet.look(&["--output", "json", "--only", "aws.network,aws.instance"]);
    let report = found.report();
    fleet.expect(&report);
    assert_eq!(found.code, 3, "{}", found.stderr);
    let summary = &report["summary"];
    assert_eq!((&summary["instances"], &summary["complete"]), (&json!(60), &json!(false)), "{summary}");
    let mut missing: Vec<_> = summary["not_looked_at"]
        .as_array()
        .unwrap()
        .iter()
        .map(|missing| {
            let text = |name: &str| missing[name].as_str().unwrap_or_default();
            (text("account_id"), text("region"), text("missing_action"), text("why").contains("RequestLimitExceeded"))
        })
        .collect();
    missing.sort_unstable();
    assert_eq!(
        missing,
        [(ours, REGIONS[1], "", false), (refusing, "", "sts:AssumeRole", false), (throttling, REGIONS[1], "", true)],
        "{summary}"
    );
    let notices: Vec<&str> = found.stderr.lines().filter(|line| line.starts_with("not looked at: ")).collect();
    assert_eq!(notices.len(), 3, "{}", found.stderr);

    // A failure that was seen outweighs what was not looked at.
    fleet.rules(throttling, &json!([]));
    fleet.add(ours, REGIONS[0], &json!({ "healthy": 29, "closed-group": 1 }));
    let found = fleet.look(&["--output", "json", "--only", "aws.network,aws.instance"]);
    let report = found.report();
    fleet.expect(&report);
    assert_eq!((found.code, &report["summary"]["complete"]), (1, &json!(false)), "{}", found.stderr);
    assert_eq!(report["summary"]["not_looked_at"].as_array().unwrap().len(), 2, "{}", found.stderr);
}

#[test]
fn every_format_of_a_fleet_is_valid_and_they_say_the_same() {
    let fleet = Fleet::of(accounts(&["300000000001"])).fill(8);
    let outputs: Vec<String> =
        ["json", "jsonl", "yaml"].iter().map(|name| format!("{name}={}", fleet.file(name).display())).collect();
    let mut arguments = vec!["--output", "human"];
    arguments.extend(outputs.iter().flat_map(|output| ["--output", output]));
    let found = fleet.look(&arguments);
    assert_eq!(found.code, 1, "{}", found.stderr);

    let report: Value = serde_json::from_slice(&fs::read(fleet.file("json")).unwrap()).unwrap();
    let schema = fs::read(root().join("packaging/reference/fleet.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!validator.is_valid(&json!({ "schema": "x" })), "the schema asks for nothing");
    fleet.expect(&report);

    let yaml: Value = serde_yaml_ng::from_slice(&fs::read(fleet.file("yaml")).unwrap()).unwrap();
    assert_eq!(yaml, report);

    let lines = fs::read_to_string(fleet.file("jsonl")).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("run", "summary"));
    assert!(kinds[1..kinds.len() - 1].iter().all(|kind| *kind == "instance"));
    let instances = report["instances"].as_array().unwrap();
    assert_eq!((lines.len() - 2, instances.len()), (200, 200));
    for (line, instance) in lines[1..].iter().zip(instances) {
        assert_eq!(line["subject"], instance["subject"]);
    }

    for (cause, count) in expected_causes(&fleet) {
        assert!(found.stdout.contains(&cause), "{cause} of {count} instances is not in\n{}", found.stdout);
    }
    assert!(!found.stdout.contains('\u{1b}'));
}

#[test]
fn an_interrupted_fleet_says_what_it_has_and_what_it_had_not_come_to() {
    let account = "400000000001";
    let mut fleet = Fleet::of(accounts(&[account]));
    fleet.add(account, REGIONS[0], &json!({ "healthy": 20, "closed-group": 5 }));
    fleet.add(account, REGIONS[1], &json!({ "healthy": 20 }));
    // Longer than this test waits for anything: the second Region is never seen.
    let held = json!([{ "action": "ec2:DescribeInstances", "region": REGIONS[1], "answer": "delay", "ms": 50_000 }]);
    fleet.rules(account, &held);
    let mut command = fleet.command(&["--output", "jsonl", "--only", "aws.network,aws.instance"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first: Vec<String> = lines.by_ref().take(1 + 25).collect();
    assert_eq!(first.len(), 26);
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{stderr}");
    let [summary] = rest.as_slice() else { panic!("{rest:?}") };
    assert_eq!(
        (&summary["type"], &summary["instances"], &summary["complete"]),
        (&json!("summary"), &json!(25), &json!(false))
    );
    assert_eq!(told_causes(summary), expected_causes(&fleet));
    // The signal may come between the first Region's last instance and its end: then it is named too, with the same reason.
    let missing = summary["not_looked_at"].as_array().unwrap();
    assert!(missing.iter().any(|place| place["region"] == REGIONS[1]), "{summary}");
    for place in missing {
        assert_eq!(place["account_id"], account, "{summary}");
        assert!(place["why"].as_str().unwrap().contains("SIGINT"), "{summary}");
    }
    assert!(stderr.contains("SIGINT"), "{stderr}");
}

#[test]
fn an_organization_is_each_of_its_accounts_that_is_active() {
    // The caller's own account is the one that all other tests use, in other Regions.
    let mut fleet = Fleet::of(accounts(&["500000000001"]));
    fleet.regions = &["ca-central-1"];
    fleet.aws(&["organizations", "create-organization"], "");
    let mut member = |name: &str| {
        let email = format!("{name}@example.com");
        let order = ["organizations", "create-account", "--email", &email, "--account-name", name];
        let id = fleet.aws(&order, "/CreateAccountStatus/AccountId");
        fleet.accounts.push(id.clone());
        id
    };
    let (other, closed) = (member("other"), member("closed"));
    fleet.aws(&["organizations", "close-account", "--account-id", &closed], "");
    fleet.add(&other, fleet.regions[0], &json!({ "no-route": 3 }));
    let only = ["--organization", "--output", "json", "--only", "aws.network,aws.instance"];
    let found = fleet.look(&only);
    let report = found.report();
    fleet.expect(&report);
    let summary = &report["summary"];
    assert_eq!((found.code, &summary["complete"]), (1, &json!(true)), "{}{summary}", found.stderr);
    assert_eq!(summary["instances"], json!(3), "{}{summary}", found.stderr);
    assert!(found.stderr.contains(&format!("account {closed} is left out: it is ")), "{}", found.stderr);
    let places: BTreeSet<&str> =
        summary["places"].as_array().unwrap().iter().map(|place| place["account_id"].as_str().unwrap()).collect();
    assert!(places.len() == 2 && places.contains(other.as_str()), "{summary}");
    // The caller's own account is looked at without any role.
    let assumed = summary["calls"].as_array().unwrap().iter().find(|calls| calls["action"] == "sts:AssumeRole");
    assert_eq!(assumed.unwrap()["calls"], json!(1), "{summary}");

    let refused = json!([{ "action": "organizations:ListAccounts", "answer": "refuse" }]);
    lab().control("POST", "/aws", &json!({ "access_key": fleet.key, "rules": refused }));
    let refused = fleet.look(&only);
    assert_eq!(refused.code, 4, "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("organizations:ListAccounts"), "{}", refused.stderr);
}
