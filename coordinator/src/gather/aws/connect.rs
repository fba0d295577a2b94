//! Credentials, Region and HTTP client, as the AWS CLI finds them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_types::region::Region;

use super::{CallLog, Clients, Teller};
use crate::gather::fleet::operations::Session;

/// How to log in to AWS.
#[derive(Clone, Debug, Default)]
pub struct Login {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub assume_role: Option<String>,
    pub external_id: Option<String>,
}

/// Clients with credentials that were really there, and the Region they ask.
#[derive(Clone, Debug)]
pub struct Connection {
    pub clients: Clients,
    pub region: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    // The SDK's own error lists every provider over many lines.
    #[error(
        "no AWS credentials found in the environment, the default profile or an instance's role: give `--profile`, set \
         AWS_PROFILE or AWS_ACCESS_KEY_ID, or log in as for the AWS CLI"
    )]
    NoCredentials,
    #[error("get AWS credentials")]
    Credentials(#[source] CredentialsError),
    #[error("assume the role {role}")]
    AssumeRole {
        role: String,
        #[source]
        source: CredentialsError,
    },
    #[error("no Region is set: give `--region`, or set AWS_REGION or the profile's `region`")]
    NoRegion,
    #[error("AWS credentials did not come within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
}

/// Finds credentials and Region once, so that a run without any says so at once.
pub async fn connect(login: &Login, budget: Duration) -> Result<Connection, ConnectError> {
    tokio::time::timeout(budget, find(login)).await.unwrap_or(Err(ConnectError::TimedOut(budget)))
}

/// Where the calls of a fleet start from: the caller's own credentials, with which there are clients for any Region and for any role.
#[derive(Clone, Debug)]
pub struct Origin {
    config: SdkConfig,
    log: CallLog,
    /// The Region that is configured.
    pub region: String,
}

impl Origin {
    /// With the caller's own credentials.
    pub fn clients(&self, region: &str) -> Clients {
        clients(&self.config.to_builder().region(Region::new(region.to_owned())).build(), self.log.clone())
    }

    /// As a role. A session lasts for an hour, the longest that a role gives to a role's session.
    pub fn clients_of(&self, region: &str, session: &Session) -> Clients {
        let Session { access_key_id, secret_access_key, session_token } = session.clone();
        let credentials =
            Credentials::new(access_key_id, secret_access_key, Some(session_token), None, "sts:AssumeRole");
        let config = self
            .config
            .to_builder()
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        clients(&config, self.log.clone())
    }

    /// For telling of changes, with the caller's own credentials.
    pub fn teller(&self, region: &str) -> Teller {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        Teller::new(&config, self.log.clone())
    }

    pub fn log(&self) -> &CallLog {
        &self.log
    }
}

/// As [`connect`], for the calls of a fleet: a page of a thousand instances takes its time, and whoever asks tries again himself, below
/// AWS's rates.
pub async fn originate(login: &Login, budget: Duration) -> Result<Origin, ConnectError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(60))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let found = configured(login, timeouts, RetryConfig::disabled());
    let (config, region) = tokio::time::timeout(budget, found).await.unwrap_or(Err(ConnectError::TimedOut(budget)))?;
    Ok(Origin { config, log: CallLog::begin(), region })
}

fn clients(config: &SdkConfig, log: CallLog) -> Clients {
    Clients {
        cloudtrail: aws_sdk_cloudtrail::Client::new(config),
        ec2: aws_sdk_ec2::Client::new(config),
        iam: aws_sdk_iam::Client::new(config),
        organizations: aws_sdk_organizations::Client::new(config),
        securityhub: aws_sdk_securityhub::Client::new(config),
        ssm: aws_sdk_ssm::Client::new(config),
        sts: aws_sdk_sts::Client::new(config),
        log,
    }
}

async fn find(login: &Login) -> Result<Connection, ConnectError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(10))
        .build();
    let (config, region) = configured(login, timeouts, RetryConfig::standard().with_max_attempts(3)).await?;
    Ok(Connection { clients: clients(&config, CallLog::begin()), region })
}

/// A configuration with credentials that were really there, and its Region.
async fn configured(
    login: &Login,
    timeouts: TimeoutConfig,
    retries: RetryConfig,
) -> Result<(SdkConfig, String), ConnectError> {
    let client = http_client();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client.clone())
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Some(profile) = &login.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &login.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    let config = match &login.profile {
        None => config,
        // A profile that was named beats credentials in the environment, as with the AWS CLI; the SDK has it the other way round.
        Some(profile) => {
            let provider = ProviderConfig::default().with_http_client(client).with_region(config.region().cloned());
            let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&provider).build();
            let config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
            if config.region().is_none() {
                // A profile that is not there has no Region either, and the misspelt name is what to say.
                own_credentials(&config).await?;
            }
            config
        }
    };
    let region = config.region().ok_or(ConnectError::NoRegion)?.to_string();
    let credentials = match &login.assume_role {
        None => own_credentials(&config).await?,
        Some(role) => assumed(&config, role, login.external_id.as_deref()).await?,
    };
    Ok((config.into_builder().credentials_provider(credentials).build(), region))
}

async fn own_credentials(config: &SdkConfig) -> Result<SharedCredentialsProvider, ConnectError> {
    let provider = config.credentials_provider().ok_or(ConnectError::NoCredentials)?;
    match provider.provide_credentials().await {
        Ok(credentials) => Ok(SharedCredentialsProvider::new(credentials)),
        Err(CredentialsError::CredentialsNotLoaded(_)) => Err(ConnectError::NoCredentials),
        Err(error) => Err(ConnectError::Credentials(error)),
    }
}

async fn assumed(
    config: &SdkConfig,
    role: &str,
    external_id: Option<&str>,
) -> Result<SharedCredentialsProvider, ConnectError> {
    let mut builder = AssumeRoleProvider::builder(role).session_name("eic-doctor").configure(config);
    if let Some(external_id) = external_id {
        builder = builder.external_id(external_id);
    }
    let credentials = builder.build().await.provide_credentials().await;
    credentials
        .map(SharedCredentialsProvider::new)
        .map_err(|source| ConnectError::AssumeRole { role: role.to_owned(), source })
}

/// One connection pool for all services; TLS by ring alone; `HTTPS_PROXY` and its kin are honoured as by the AWS CLI.
///
/// The SDK asks for a connector with every request, so those that were built are kept, one for each pair of timeouts.
pub(crate) fn http_client() -> SharedHttpClient {
    type Timeouts = (Option<Duration>, Option<Duration>);
    let built: Mutex<Vec<(Timeouts, SharedHttpConnector)>> = Mutex::default();
    http_client_fn(move |settings, components| {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let mut built = built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = built.iter().find(|(known, _)| *known == timeouts) {
            return connector.clone();
        }
        let mut builder = Connector::builder()
            .connector_settings(settings.clone())
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
        builder.set_sleep_impl(components.sleep_impl());
        let connector = SharedHttpConnector::new(builder.build());
        built.push((timeouts, connector.clone()));
        connector
    })
}
