//! AWS Security Token Service.

use super::Clients;
use crate::facts::CallerIdentity;
use crate::gather::operations::GetCallerIdentity;
use crate::gather::refused::Answer;

impl GetCallerIdentity for Clients {
    async fn get_caller_identity(&self) -> Answer<CallerIdentity> {
        let request = self.sts.get_caller_identity();
        let answer = self.call(<Self as GetCallerIdentity>::ACTION, request.send()).await?;
        Ok(CallerIdentity { account: answer.account, arn: answer.arn, user_id: answer.user_id })
    }
}
