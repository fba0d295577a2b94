//! What the coordinator asks AWS about an instance that enrols: EC2 whether it is one, STS who signed, Organizations whose it is.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tokio::time::Instant;

use super::config::{Config, Target};
use super::log::Log;
use crate::attest::caller_identity::{
    AnswerError, CallerIdentity, CallerIdentityRequest, GetCallerIdentity, MAX_ANSWER,
};
use crate::attest::{Claim, Described, DescribedInstance, EnrolmentPolicy, Refusal};
use crate::commands::partition_of;
use crate::facts::{Instance, Role};
use crate::gather::aws::{Clients, Login, Origin, Teller, originate};
use crate::gather::fleet::operations::{AssumeRole as _, ListAccounts as _};
use crate::gather::operations::{DescribeInstances as _, GetCallerIdentity as _, GetInstanceProfile};
use crate::gather::{Answer, body};
use crate::store::Millis;

/// One question to AWS; an agent waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A role's session lasts an hour.
const SESSION: Duration = Duration::from_mins(45);
/// Accounts join an Organization seldom.
const MEMBERS: Duration = Duration::from_mins(10);
/// AWS's quota of an Organization's accounts is far below.
const PAGES: usize = 1_000;

pub(super) struct AwsSide {
    /// None: the configuration asks nothing of AWS.
    origin: Option<Origin>,
    /// The coordinator's own account.
    own: Option<String>,
    sessions: Mutex<HashMap<(String, String), (Instant, Clients)>>,
    members: Mutex<Option<(Instant, BTreeSet<String>)>>,
    sts: Sts,
}

struct Sts {
    http: reqwest::Client,
    /// Other places where STS may answer, by host: a test's or a VPC's endpoint.
    urls: HashMap<String, String>,
}

impl AwsSide {
    pub async fn begin(config: &Config) -> anyhow::Result<Self> {
        // Fails only when somebody has installed a provider already, and ours is ring too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let enrolment = &config.enrolment;
        let is_asked = enrolment.describe_instances
            || enrolment.organization
            || config.sweep.is_some()
            || config.notify.iter().any(Target::is_of_aws);
        let origin = match is_asked {
            true => Some(originate(&Login::default(), TIMEOUT).await.context("find AWS credentials")?),
            false => None,
        };
        let own = match &origin {
            None => None,
            Some(origin) => {
                let caller = origin.clients(&origin.region).get_caller_identity().await;
                caller.map_err(anyhow::Error::new).context("ask STS who the coordinator is")?.account
            }
        };
        let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        let sts = Sts { http, urls: enrolment.sts_urls.clone().into_iter().collect() };
        Ok(Self { origin, own, sessions: Mutex::default(), members: Mutex::default(), sts })
    }

    /// With the coordinator's own credentials; none: the configuration asks nothing of AWS.
    pub fn teller(&self, region: &str) -> Option<Teller> {
        self.origin.as_ref().map(|origin| origin.teller(region))
    }

    /// Whose instances may enrol, with the Organization's accounts of the last minutes.
    pub async fn policy(&self, config: &Config) -> Result<EnrolmentPolicy, String> {
        let mut accounts = config.enrolment.accounts.clone();
        if config.enrolment.organization {
            accounts.extend(self.members().await?);
        }
        Ok(EnrolmentPolicy {
            accounts,
            describe_instances: config.enrolment.describe_instances,
            require_caller_identity: config.enrolment.require_role,
            certificate_life: config.authority.certificate_life.0,
        })
    }

    async fn members(&self) -> Result<BTreeSet<String>, String> {
        let now = Instant::now();
        if let Some((at, members)) = &*self.members.lock().unwrap_or_else(PoisonError::into_inner)
            && now.saturating_duration_since(*at) < MEMBERS
        {
            return Ok(members.clone());
        }
        let origin = self.origin.as_ref().ok_or("the coordinator has no AWS credentials")?;
        let clients = origin.clients(&origin.region);
        let mut members = BTreeSet::new();
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let page = clients.list_accounts(token.as_deref()).await.map_err(|refused| refused.to_string())?;
            let active = |state: &Option<String>| state.as_deref().is_none_or(|state| state == "ACTIVE");
            members.extend(page.items.into_iter().filter(|member| active(&member.state)).map(|member| member.id));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, members.clone()));
        Ok(members)
    }

    /// The coordinator's own account, where it asks as itself.
    pub fn is_own(&self, account: &str) -> bool {
        self.own.as_deref() == Some(account)
    }

    /// Into an account and Region, as the coordinator or as the role there; or why not.
    pub async fn clients(&self, config: &Config, account: &str, region: &str) -> Result<Clients, String> {
        let origin = self.origin.as_ref().ok_or("the coordinator has no AWS credentials")?;
        if self.is_own(account) {
            return Ok(origin.clients(region));
        }
        let Some(role) = &config.enrolment.role_name else {
            return Err(format!(
                "account {account} is another than the coordinator's own, and no `enrolment.role_name` is configured"
            ));
        };
        let place = (account.to_owned(), region.to_owned());
        let now = Instant::now();
        if let Some((at, clients)) = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
            && now.saturating_duration_since(*at) < SESSION
        {
            return Ok(clients.clone());
        }
        let arn = format!("arn:{}:iam::{account}:role/{role}", partition_of(region));
        let asking = origin.clients(&origin.region);
        let session = asking.assume_role(&arn, config.enrolment.external_id.as_deref()).await;
        let clients = origin.clients_of(region, &session.map_err(|refused| refused.to_string())?);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(place, (now, clients.clone()));
        Ok(clients)
    }

    /// What EC2 says of the instance; and where it proves itself by its role, IAM of its instance profile.
    pub async fn describe(&self, config: &Config, claim: &Claim, log: &Log) -> Described {
        if !config.enrolment.describe_instances {
            return Described::NotAsked;
        }
        let document = &claim.document;
        let clients = match self.clients(config, &document.account_id, &document.region).await {
            Ok(clients) => clients,
            Err(why) => return Described::NotSeen(why),
        };
        let reservations = match clients.describe_instances(&document.instance_id).await {
            Ok(reservations) => reservations,
            Err(refused) if refused.code.as_deref() == Some("InvalidInstanceID.NotFound") => {
                return Described::NotFound;
            }
            Err(refused) => return Described::NotSeen(refused.to_string()),
        };
        let found = reservations.into_iter().find_map(|reservation| {
            let own = reservation.instances.into_iter();
            let mut own = own.filter(|instance| instance.instance_id.as_deref() == Some(document.instance_id.as_str()));
            Some((reservation.owner_id?, own.next()?))
        });
        let described = found.map_or(Described::NotFound, |(account_id, instance)| described(account_id, instance));
        let Described::Instance(mut seen) = described else { return described };
        if let Some(profile) = seen.instance_profile.as_deref().filter(|_| claim.has_caller_identity()) {
            match roles(&clients, profile).await {
                Ok(roles) => seen.roles = Some(roles),
                Err(refused) => log.line(&format!(
                    "{}: which roles its instance profile holds is not known, so that any role of its account counts: {}",
                    document.instance_id,
                    refused.why().reason
                )),
            }
        }
        Described::Instance(seen)
    }

    /// Who signed the request that the agent brought, by STS's word; none: it brought none, or STS could not be asked.
    pub async fn caller(&self, claim: &Claim, now: Millis) -> Result<Option<CallerIdentity>, Refused> {
        let others: Vec<String> = self.sts.urls.keys().cloned().collect();
        let Some(request) = claim.caller_identity_request(&others, now).map_err(Refused::Claim)? else {
            return Ok(None);
        };
        let (status, body) = match self.sts.get_caller_identity(&request).await {
            Ok(answer) => answer,
            Err(why) => return Err(Refused::NotNow(format!("STS could not be asked: {why}"))),
        };
        match CallerIdentity::from_answer(status, &body) {
            Ok(caller) => Ok(Some(caller)),
            // What counts is what STS confirms; an instance without a role may enrol too.
            Err(AnswerError::Refused(_) | AnswerError::NoRoleSession(_)) => Ok(None),
            Err(error) => Err(Refused::NotNow(error.to_string())),
        }
    }
}

/// Why there is no answer on who signed.
pub(super) enum Refused {
    Claim(Refusal),
    NotNow(String),
}

/// The names of the roles that the instance profile of this ARN holds.
async fn roles(iam: &impl GetInstanceProfile, profile: &str) -> Answer<Vec<String>> {
    let name = profile.rsplit('/').next().unwrap_or_default();
    let profile = iam.get_instance_profile(name).await?;
    // A session of a role is named without the role's path.
    let name = |role: Role| role.role_name.or_else(|| Some(role.arn?.rsplit('/').next()?.to_owned()));
    Ok(profile.roles.into_iter().filter_map(name).collect())
}

fn described(account_id: String, instance: Instance) -> Described {
    let Some(launch_time) = instance.launch_time.as_deref().and_then(millis) else {
        return Described::NotSeen("EC2 tells no launch time".to_owned());
    };
    Described::Instance(DescribedInstance {
        account_id,
        state: instance.state.and_then(|state| state.name).unwrap_or_default(),
        private_ip: instance.private_ip_address.and_then(|address| address.parse().ok()),
        launch_time,
        instance_profile: instance.iam_instance_profile.and_then(|profile| profile.arn),
        roles: None,
    })
}

/// Of an RFC 3339 time, as the SDK and the AWS CLI print it.
fn millis(time: &str) -> Option<Millis> {
    let time = DateTime::from_str(time, Format::DateTimeWithOffset).ok()?;
    time.to_millis().ok().and_then(|millis| Millis::try_from(millis).ok())
}

#[async_trait]
impl GetCallerIdentity for Sts {
    async fn get_caller_identity(&self, request: &CallerIdentityRequest) -> Result<(u16, Vec<u8>), String> {
        let url = self.urls.get(&request.host).cloned().unwrap_or_else(|| format!("https://{}/", request.host));
        let mut asked = self.http.post(url).body(request.body);
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        let told = |error: reqwest::Error| crate::gather::chain(&error.without_url());
        let answer = asked.send().await.map_err(told)?;
        let status = answer.status().as_u16();
        Ok((status, body(answer, MAX_ANSWER).await.map_err(told)?))
    }
}

#[cfg(test)]
mod tests {
    use super::roles;
    use crate::gather::testing::Fake;

    #[tokio::test]
    async fn the_roles_of_a_profile_are_told_as_their_sessions_are_named() {
        let mut fake = Fake { role_arn: "arn:aws:iam::123456789012:role/team/web".to_owned(), ..Fake::healthy() };
        let profile = "arn:aws:iam::123456789012:instance-profile/team/web-profile";
        assert_eq!(roles(&fake, profile).await.unwrap(), ["web"]);
        assert_eq!(fake.about("iam:GetInstanceProfile"), ["web-profile"]);
        fake.refuse.insert("iam:GetInstanceProfile", "AccessDenied");
        assert!(roles(&fake, profile).await.unwrap_err().why().reason.contains("iam:GetInstanceProfile"));
    }
}
