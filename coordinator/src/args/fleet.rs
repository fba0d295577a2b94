//! Which instances of which accounts and Regions, and which attempt.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{ArgGroup, Args};
use eic_doctor_proto::{Attempt, OsUser, Selection, Via, visible};
use ipnet::IpNet;

use super::attempt::AttemptArgsError;
use super::coordinator::CoordinatorArgs;
use super::{FailOnArg, IpRangesFrom, Source, offered, ranges, value};
use crate::facts::ContextEntry;
use crate::fleet::Range;

/// Values that one filter of `DescribeInstances` takes.
const FILTER_VALUES: usize = 200;

#[derive(Clone, Debug, Args)]
#[command(
    group = ArgGroup::new("others").args(["accounts", "organization"]).multiple(true),
    group = ArgGroup::new("roles").args(["accounts", "organization", "assume_role"]).multiple(true),
)]
pub struct FleetArgs {
    /// Only instances like this, as `--filters` of `aws ec2 describe-instances`; the same NAME again adds a value to it
    ///
    /// Terminated instances are left out, unless `--filter instance-state-name=…` says otherwise.
    #[arg(long, value_name = "NAME=VALUE", value_parser = value::filter)]
    filter: Vec<(String, String)>,
    /// Only these instances
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',', value_parser = value::instance_id)]
    pub instance_ids: Vec<String>,
    /// In these Regions; left out: the one that is configured
    #[arg(
        long,
        value_name = "REGION",
        num_args = 1..,
        value_delimiter = ',',
        value_parser = value::region,
        conflicts_with = "region"
    )]
    pub regions: Vec<String>,
    /// In these accounts: a file with an account's id a line, and after it the ARN of the role to assume there, unless `--role-name` tells
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,
    /// In every active account of the caller's organization: as a role there, in the caller's own account as the caller
    #[arg(long, conflicts_with = "accounts", requires = "role_name")]
    pub organization: bool,
    /// The role to assume in each account of the organization, or of the file that names none
    #[arg(long, value_name = "NAME", requires = "others", value_parser = value::role_name)]
    pub role_name: Option<String>,
    /// A role to assume for every call of this run, those that assume the roles of other accounts included
    #[arg(long, value_name = "ARN", value_parser = value::role)]
    pub assume_role: Option<String>,
    /// The external id that the roles' trust policies ask for
    #[arg(long, value_name = "ID", requires = "roles")]
    pub external_id: Option<String>,
    /// Judge only these: ids or prefixes of ids; may be repeated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these out: ids or prefixes of ids; may be repeated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    skip: Vec<String>,
    /// From which status on the exit code is 1
    #[arg(long, value_name = "STATUS", default_value = "fail")]
    pub fail_on: FailOnArg,
    /// Exit with 0 also when something needed stayed unknown: what is inside the instances always does, unless `--only aws` or `--coordinator`
    #[arg(long)]
    pub allow_unknown: bool,
    /// Send every check's result to Security Hub of each account and Region, as of `check`
    #[arg(long)]
    pub send_to_security_hub: bool,
    /// The OS user to log in as
    #[arg(long, value_name = "USER", default_value = "ec2-user", help_heading = "The attempt")]
    os_user: OsUser,
    /// ARN of the IAM role, user or assumed role that pushes the key; left out: the caller, in its own account
    #[arg(long, value_name = "ARN", value_parser = value::principal, help_heading = "The attempt")]
    pub principal: Option<String>,
    /// The port that sshd should listen on
    #[arg(long, value_name = "PORT", default_value = "22", value_parser = value::port, help_heading = "The attempt")]
    port: u16,
    /// The way
    #[arg(long, value_name = "WAY", default_value = "auto", value_parser = offered::via(), help_heading = "The attempt")]
    via: Via,
    /// Where the connections come from: a CIDR, an address, or `me` for this machine
    #[arg(long, value_name = "CIDR", value_parser = value::source, help_heading = "The attempt")]
    source: Option<Source>,
    /// What is known of the principal's requests to AWS, as of `check`; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::context, help_heading = "The attempt")]
    pub context: Vec<ContextEntry>,
    /// AWS's published address ranges, as of `check`: an ip-ranges.json, or its URL
    #[arg(long, value_name = "FILE|URL", value_parser = value::ip_ranges, help_heading = "The attempt")]
    pub ip_ranges: Option<IpRangesFrom>,
    /// For each instance, which of these ranges come through to the port: a file with a CIDR a line, and after it what it is called
    ///
    /// Told beside the findings, which are the attempt's own; the exit code does not depend on it.
    #[arg(long, value_name = "FILE", help_heading = "The attempt")]
    reach: Option<PathBuf>,
    #[command(flatten)]
    pub coordinator: CoordinatorArgs,
}

/// A line of `--accounts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    /// The ARN of the role to assume there.
    pub role: Option<String>,
}

impl FleetArgs {
    pub fn selection(&self) -> Selection {
        Selection { only: self.only.clone(), skip: self.skip.clone() }
    }

    pub fn asks_for_own_address(&self) -> bool {
        self.source == Some(Source::Me)
    }

    /// The attempt; `own` is this machine's address, where `--source me` asks for it.
    pub fn attempt(&self, own: Option<IpAddr>) -> Result<Attempt, AttemptArgsError> {
        if self.via == Via::Browser && self.source.is_some() {
            return Err(AttemptArgsError::SourceOfBrowser);
        }
        Ok(Attempt {
            os_user: self.os_user.clone(),
            principal: self.principal.clone(),
            via: self.via,
            source: match self.source {
                Some(Source::Net(net)) => Some(net),
                Some(Source::Me) => own.map(IpNet::from),
                None => None,
            },
            address: None,
            port: self.port,
            endpoint: None,
            known_sources: Vec::new(),
        })
    }

    /// The filters of each listing: one, or as many as the ids need.
    pub fn filters(&self) -> Vec<Vec<(String, Vec<String>)>> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in &self.filter {
            values.entry(name.clone()).or_default().push(value.clone());
        }
        if self.instance_ids.is_empty() {
            let living = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
            values.entry("instance-state-name".to_owned()).or_insert_with(|| living.to_vec());
            return vec![values.into_iter().collect()];
        }
        let chunks = self.instance_ids.chunks(FILTER_VALUES);
        chunks
            .map(|ids| {
                let of_ids = [("instance-id".to_owned(), ids.to_vec())];
                values.clone().into_iter().chain(of_ids).collect()
            })
            .collect()
    }

    /// The ranges of `--reach`; none where it is left out.
    pub fn read_ranges(&self) -> anyhow::Result<Vec<Range>> {
        Ok(self.reach.as_deref().map(ranges::read).transpose()?.unwrap_or_default())
    }

    /// The accounts of the file; `None` where there is no file, so that it is the caller's own.
    pub fn read_accounts(&self) -> anyhow::Result<Option<Vec<Account>>> {
        self.accounts.as_deref().map(read_accounts).transpose()
    }
}

fn read_accounts(path: &Path) -> anyhow::Result<Vec<Account>> {
    let text = ranges::text(path).with_context(|| format!("read {}", visible(&path.display().to_string())))?;
    let lines =
        text.lines().enumerate().map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()));
    let accounts = lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        account(line).map_err(|error| anyhow!("{}:{number}: {error}", visible(&path.display().to_string())))
    });
    let accounts: Vec<Account> = accounts.collect::<Result<_, _>>()?;
    if accounts.is_empty() {
        return Err(anyhow!("{} names no account", visible(&path.display().to_string())));
    }
    Ok(accounts)
}

fn account(line: &str) -> Result<Account, String> {
    let mut words = line.split_whitespace();
    let (id, role) = (words.next().unwrap_or_default(), words.next());
    if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("`{}` is not an account's id: 12 digits", visible(id)));
    }
    if words.next().is_some() {
        return Err("more than an account's id and a role's ARN".to_owned());
    }
    Ok(Account { id: id.to_owned(), role: role.map(value::role).transpose()? })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn fleet(line: &str) -> FleetArgs {
        let words = ["eic-doctor", "fleet"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Fleet(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_are_asked_for_two_hundred_at_a_time_and_no_other_instances_are() {
        let ids: Vec<String> = (0..450).map(|number| format!("i-{number:017x}")).collect();
        let filters =
            fleet(&format!("--filter tag:env=prod --filter tag:env=test --instance-ids {}", ids.join(","))).filters();
        let sizes: Vec<usize> = filters.iter().map(|of_one| of_one.last().unwrap().1.len()).collect();
        assert_eq!(sizes, [200, 200, 50]);
        assert!(filters.iter().all(|of_one| of_one[0] == ("tag:env".into(), vec!["prod".into(), "test".into()])));
    }

    #[test]
    fn an_external_id_goes_with_a_role_of_any_kind_and_with_nothing_else() {
        let role = "arn:aws:iam::123456789012:role/audit";
        let assumed = fleet(&format!("--assume-role {role} --external-id x --context aws:SourceIp=192.0.2.7"));
        assert_eq!((assumed.assume_role.as_deref(), assumed.external_id.as_deref()), (Some(role), Some("x")));
        assert_eq!(assumed.context[0].context_key_type, "ip");
        fleet("--organization --role-name audit --external-id x");
        let refused =
            |line: &str| Cli::try_parse_from(["eic-doctor", "fleet"].into_iter().chain(line.split(' '))).is_err();
        assert!(refused("--external-id x") && refused("--assume-role audit") && refused("--context x"));
    }

    #[test]
    fn terminated_instances_are_left_out_unless_they_are_asked_for() {
        assert!(!fleet("").filters()[0][0].1.contains(&"terminated".to_owned()));
        let asked = fleet("--filter instance-state-name=terminated").filters();
        assert_eq!(asked, [[("instance-state-name".to_owned(), vec!["terminated".to_owned()])]]);
    }

    #[test]
    fn accounts_are_not_read_from_a_device_or_a_fifo_that_nobody_writes_to() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [Path::new("/dev/null"), &fifo] {
            let error = read_accounts(path).unwrap_err();
            assert!(format!("{error:#}").ends_with("it is not a regular file"), "{error:#}");
        }
    }

    #[test]
    fn a_line_of_accounts_is_an_id_and_perhaps_a_role() {
        let role = "arn:aws:iam::123456789012:role/audit";
        assert_eq!(account("123456789012").unwrap().role, None);
        assert_eq!(account(&format!("123456789012 {role}")).unwrap().role.as_deref(), Some(role));
        for line in ["12345", "123456789012 audit", &format!("123456789012 {role} x")] {
            assert!(account(line).is_err(), "{line}");
        }
    }
}
