//! The operations over the AWS SDK: one file per service.

mod cloudtrail;
mod connect;
mod console;
mod convert;
mod ec2;
mod fleet;
mod iam;
mod organizations;
mod policies;
mod security_hub;
mod ssm;
mod sts;
mod tell;

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use futures_util::future::BoxFuture;

#[cfg(test)]
pub(crate) use connect::http_client as testing_http_client;
pub use connect::{ConnectError, Connection, Login, Origin, connect, originate};
pub use tell::Teller;

use super::call_log::CallLog;
use super::refused::{Answer, Refused, RefusedKind};

/// The clients of one account and Region, over one HTTP client.
#[derive(Clone, Debug)]
pub struct Clients {
    cloudtrail: aws_sdk_cloudtrail::Client,
    ec2: aws_sdk_ec2::Client,
    iam: aws_sdk_iam::Client,
    organizations: aws_sdk_organizations::Client,
    securityhub: aws_sdk_securityhub::Client,
    ssm: aws_sdk_ssm::Client,
    sts: aws_sdk_sts::Client,
    log: CallLog,
}

impl Clients {
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// Sends, logs and classifies.
    ///
    /// The SDK's futures have tens of kilobytes each, and a run joins twenty of them: on the heap, or the stack overflows.
    fn call<'a, T, E>(
        &'a self,
        action: &'static str,
        sent: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send + 'a,
    ) -> BoxFuture<'a, Answer<T>>
    where
        T: Send,
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let sent = Box::pin(sent);
        Box::pin(async move {
            let running = self.log.start(action);
            match sent.await {
                Ok(answer) => {
                    running.end("ok");
                    Ok(answer)
                }
                Err(error) => {
                    let refused = Refused::of(action, &error);
                    running.end(refused.code.as_deref().unwrap_or(match refused.kind {
                        RefusedKind::TimedOut => "timed out",
                        _ => "failed",
                    }));
                    Err(refused)
                }
            }
        })
    }
}

/// One page and the token of the next.
type Page<T> = (Vec<T>, Option<String>);

/// More pages than any answer about one instance can have: the other side is ill.
const PAGES_LIMIT: usize = 1000;

/// Every page. A page that fails costs the whole answer, since half a list cannot be judged.
async fn all_pages<T, F>(action: &'static str, mut page: impl FnMut(Option<String>) -> F) -> Answer<Vec<T>>
where
    F: Future<Output = Answer<Page<T>>>,
{
    let mut all = Vec::new();
    let mut token = None;
    for _ in 0..PAGES_LIMIT {
        let (items, next) = page(token.take()).await?;
        all.extend(items);
        match next.filter(|next| !next.is_empty()) {
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
    Err(Refused::new(action, RefusedKind::Ill, format!("more than {PAGES_LIMIT} pages")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_pages_are_read_in_order() {
        let pages =
            [(vec![1, 2], Some("b".to_owned())), (vec![], Some("c".to_owned())), (vec![3], Some(String::new()))];
        let mut left = pages.into_iter();
        let mut tokens = Vec::new();
        let all = all_pages("x:Y", |token| {
            tokens.push(token);
            let page = left.next().expect("no page is asked for after the last");
            async { Ok(page) }
        });
        assert_eq!(all.await.unwrap(), [1, 2, 3]);
        assert_eq!(tokens, [None, Some("b".to_owned()), Some("c".to_owned())]);
    }

    #[tokio::test]
    async fn pages_without_end_are_given_up() {
        let all = all_pages("x:Y", |_| async { Ok((vec![()], Some("again".to_owned()))) });
        assert_eq!(all.await.unwrap_err().kind, RefusedKind::Ill);
    }
}
